import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { append, decodeFrames, EMPTY_LOG, encodeFrame, type LogTarget, positionAfter, TailHub } from '../src/index.ts';
import type { TailEvent } from '../src/tail.ts';
import { delta, type TestNats, testNats } from './nats.ts';

let nats: TestNats;
const hubs: TailHub[] = [];
beforeAll(async () => {
  nats = await testNats();
});
afterEach(() => {
  for (const hub of hubs.splice(0)) hub.close();
});
afterAll(() => nats.stop());

function hub(options: Partial<ConstructorParameters<typeof TailHub>[0]> = {}): TailHub {
  const made = new TailHub({
    bus: nats.bus,
    partitions: 1,
    queueBytes: 64_000,
    idleMs: 5_000,
    onError: (error) => {
      throw error;
    },
    ...options,
  });
  hubs.push(made);
  return made;
}

/** Appends events one message each; the last one ends the log when `end` is set. */
class Appender {
  readonly target: LogTarget;
  #at = EMPTY_LOG;
  constructor(target: LogTarget) {
    this.target = target;
  }

  /** JetStream loses the log; what comes is numbered from `nextEvent` on. */
  async lose(nextEvent: number): Promise<void> {
    await nats.bus.jsm.streams.purge('TR_LOG_0', { filter: `tr.log.0.${this.target.id}` });
    this.#at = { ...EMPTY_LOG, nextEvent };
  }

  async events(count: number, options: { end?: boolean; size?: number } = {}): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const first = this.#at.nextEvent;
      const ended = options.end && index === count - 1 ? ('completed' as const) : null;
      const meta = { first, last: first, cursor: 1, writer: 'w', step: null, seal: null, ended };
      const bytes = Buffer.from(encodeFrame(delta('x'.repeat(options.size ?? 1)), first));
      const seq = await append(this.target, this.#at.streamSeq, meta, bytes, new AbortController().signal);
      this.#at = positionAfter(meta, seq);
    }
  }
}

async function numbers(event: TailEvent): Promise<number[]> {
  if (event.type !== 'message') return [];
  return decodeFrames(await event.message.load()).map((each) => each.sequence_number);
}

async function collect(events: AsyncIterable<TailEvent>, pause?: (seen: number) => Promise<void>): Promise<number[]> {
  const seen: number[] = [];
  for await (const event of events) {
    seen.push(...(await numbers(event)));
    await pause?.(seen.length);
  }
  return seen;
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('a log that was lost and has begun anew, with higher numbers', () => {
  const jumped = [...upTo(20), ...upTo(5).map((index) => 1_000 + index)];

  test('is followed from its new beginning', async () => {
    const log = new Appender(nats.target());
    await log.events(20);
    const follower = hub().follow(log.target.id);
    const seen = collect(follower.events({ fresh: false }), async (count) => {
      if (count === 20) {
        await log.lose(1_000);
        await log.events(5, { end: true });
      }
    });
    expect(await seen).toEqual(jumped);
  });

  test('also by one that heard nothing of it', async () => {
    const log = new Appender(nats.target());
    await log.events(20);
    const follower = hub({ idleMs: 100 }).follow(log.target.id);
    const seen = collect(follower.events({ fresh: false }), async (count) => {
      if (count === 20) {
        follower.detach();
        await log.lose(1_000);
        await log.events(5, { end: true });
      }
    });
    expect(await seen).toEqual(jumped);
  });

  test('and while it is gone its follower is told that there is nothing', async () => {
    const log = new Appender(nats.target());
    await log.events(2);
    const follower = hub({ idleMs: 50 }).follow(log.target.id);
    const types: string[] = [];
    for await (const event of follower.events({ fresh: false })) {
      types.push(event.type);
      if (types.length === 2) await log.lose(1_000);
      if (event.type === 'empty') break;
    }
    expect(types.filter((type) => type !== 'idle')).toEqual(['message', 'message', 'empty']);
  });
});

describe('a follower', () => {
  test('whose reader has stood still for so long that the server has forgotten it comes to the end all the same', async () => {
    const log = new Appender(nats.target());
    await log.events(20, { end: true, size: 30_000 });
    const seen = collect(
      hub({ onError: () => undefined })
        .follow(log.target.id)
        .events({ fresh: false }),
      async (count) => {
        if (count !== 3 && count !== 20) return;
        for await (const { name } of nats.bus.jsm.consumers.list('TR_LOG_0')) {
          await nats.bus.jsm.consumers.delete('TR_LOG_0', name);
        }
      },
    );
    expect(await seen).toEqual(upTo(20));
  });

  test('sees what was stored and what comes, once and in order', async () => {
    const log = new Appender(nats.target());
    await log.events(150);
    const follower = hub().follow(log.target.id);
    const seen = collect(follower.events({ fresh: false }));
    await log.events(50, { end: true });
    expect(await seen).toEqual(upTo(200));
  });

  test('of a new log needs no read of the stream', async () => {
    const log = new Appender(nats.target());
    const follower = hub({ bus: { ...nats.bus, jsm: unreadable() } }).follow(log.target.id);
    const seen = collect(follower.events({ fresh: true }));
    await nats.bus.nc.flush();
    await log.events(20, { end: true });
    expect(await seen).toEqual(upTo(20));
  });

  test('that is slow is served from the stream, and the bytes that wait for it are bounded (I8)', async () => {
    const log = new Appender(nats.target());
    const tails = hub({ queueBytes: 2_000 });
    const quick = collect(tails.follow(log.target.id).events({ fresh: false }));
    const slowFollower = tails.follow(log.target.id);
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = collect(slowFollower.events({ fresh: true }), (count) => (count === 1 ? gate : Promise.resolve()));
    await log.events(100, { end: true, size: 500 });
    expect(await quick).toEqual(upTo(100));
    expect(slowFollower.waitingBytes).toBeLessThanOrEqual(2_000);
    release();
    expect(await slow).toEqual(upTo(100));
  });

  test('misses nothing when the live messages do not reach it', async () => {
    const log = new Appender(nats.target());
    const follower = hub({ idleMs: 100 }).follow(log.target.id);
    const events = follower.events({ fresh: true });
    const seen = collect(events);
    await log.events(3);
    follower.detach();
    await log.events(5, { end: true });
    expect(await seen).toEqual(upTo(8));
  });

  test('reads the stream again after its connection was lost', async () => {
    const bus = await nats.connect();
    const log = new Appender(nats.target());
    // The first look after a reconnect may come too early; the next one does not.
    const follower = hub({ bus, idleMs: 60_000, onError: () => undefined }).follow(log.target.id);
    const seen = collect(follower.events({ fresh: true }));
    await log.events(3);
    await bus.nc.reconnect();
    await log.events(4, { end: true });
    expect(await seen).toEqual(upTo(7));
  });

  test('of a log that is not there is told so, and of silence too', async () => {
    const log = new Appender(nats.target());
    const follower = hub({ idleMs: 50 }).follow(log.target.id);
    const events = follower.events({ fresh: false });
    expect((await events.next()).value).toEqual({ type: 'empty' });
    expect((await events.next()).value).toEqual({ type: 'empty' });
    await log.events(1);
    let event = await events.next();
    while (event.value?.type === 'empty') event = await events.next();
    expect(event.value?.type).toBe('message');
    expect((await events.next()).value).toEqual({ type: 'idle' });
    follower.close();
    expect((await events.next()).done).toBe(true);
  });
});

test('all followers of a log share one subscription, which ends with the last of them', async () => {
  const log = new Appender(nats.target());
  const tails = hub();
  const followers = upTo(10).map(() => tails.follow(log.target.id));
  expect(tails.size).toBe(1);
  const seen = Promise.all(followers.map((follower) => collect(follower.events({ fresh: false }))));
  await log.events(10, { end: true });
  for (const each of await seen) expect(each).toEqual(upTo(10));
  expect(tails.size).toBe(0);
  await sleep(0);
});

/** A manager of streams that must not be asked. */
function unreadable(): TestNats['bus']['jsm'] {
  return new Proxy(nats.bus.jsm, {
    get() {
      throw new Error('the stream was read');
    },
  });
}
