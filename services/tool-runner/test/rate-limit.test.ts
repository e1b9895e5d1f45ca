import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus, PublishRejected, PublishUncertain } from '@tailrace/bus';
import { startNats } from '@tailrace/infra';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { RateLimits } from '../src/rate-limit.ts';
import { RateStreams } from '../src/rate-streams.ts';
import { never } from './steps.ts';

const WINDOW_MS = 1_500;

let dir: string;
let nats: Awaited<ReturnType<typeof startNats>>;
const buses: Bus[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  nats = await startNats({ dir, log: () => undefined });
});
afterAll(async () => {
  await Promise.all(buses.map((bus) => bus.close()));
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

/** The limits as one process has them. */
async function limits(): Promise<RateLimits> {
  return new RateLimits(new RateStreams(await connected(), WINDOW_MS));
}

async function connected(): Promise<Bus> {
  const bus = await connectBus({ url: nats.url, name: 'test', timeoutMs: 2_000 });
  buses.push(bus);
  return bus;
}

test('in no window more than are allowed, in all processes together, and as many as are', async () => {
  const processes = await Promise.all([limits(), limits(), limits()]);
  await processes[0]?.take('tool', 5, never);
  // When a call began is for the server to say: it counts.
  const counted = await buses[0]?.js.consumers.get('TR_RATE_tool');
  const messages = await counted?.consume();
  const begun: number[] = [];
  const watching = (async () => {
    for await (const message of messages ?? []) if (begun.push(message.info.timestampNanos / 1e6) === 14) return;
  })();
  await Promise.all(Array.from({ length: 13 }, (_, n) => processes[n % 3]?.take('tool', 5, never)));
  await watching;
  begun.slice(5).forEach((at, index) => {
    expect(at - (begun[index] ?? 0)).toBeGreaterThanOrEqual(WINDOW_MS - 1);
  });
  // The first five did not wait for any to be forgotten.
  expect((begun[4] ?? 0) - (begun[0] ?? 0)).toBeLessThan(WINDOW_MS);
});

test('one source does not wait for another', async () => {
  const own = await limits();
  await own.take('busy', 1, never);
  await own.take('free', 1, never);
  const waiting = new AbortController();
  const second = own.take('busy', 1, waiting.signal);
  await own.take('free too', 1, never);
  waiting.abort(new Error('enough'));
  await expect(second).rejects.toMatchObject({ name: 'AbortError' });
});

test('a limit that is changed holds at once', async () => {
  const own = await limits();
  const startedAt = performance.now();
  await own.take('growing', 1, never);
  await own.take('growing', 3, never);
  await own.take('growing', 3, never);
  expect(performance.now() - startedAt).toBeLessThan(WINDOW_MS);
});

describe('a stream that has been deleted', () => {
  test('is made anew by the call that finds it gone', async () => {
    const own = await limits();
    await own.take('gone', 2, never);
    const bus = await connected();
    await bus.jsm.streams.delete('TR_RATE_gone');
    await own.take('gone', 2, never);
    expect(await bus.jsm.streams.info('TR_RATE_gone')).toMatchObject({
      state: { messages: 1 },
      config: { max_msgs: 2 },
    });
  });

  test('by all who find it gone at once', async () => {
    const processes = await Promise.all([limits(), limits(), limits()]);
    await Promise.all(processes.map((each) => each.take('contested', 20, never)));
    const bus = await connected();
    await bus.jsm.streams.delete('TR_RATE_contested');
    await Promise.all(processes.map((each) => each.take('contested', 20, never)));
    expect((await bus.jsm.streams.info('TR_RATE_contested')).state.messages).toBe(3);
  });

  test('by those who know of another limit, too', async () => {
    const processes = await Promise.all([limits(), limits(), limits()]);
    await Promise.all(processes.map((each, n) => each.take('disputed', 20 + n, never)));
    expect((await (await connected()).jsm.streams.info('TR_RATE_disputed')).state.messages).toBe(3);
  });

  test('while a call waits for its turn, lets it begin', async () => {
    const bus = await connected();
    const own = new RateLimits(new RateStreams(bus, WINDOW_MS));
    await own.take('full', 1, never);
    const refused: number[] = [];
    const publish = vi.spyOn(bus.publisher, 'publish').mockImplementation(async (...message) => {
      publish.mockRestore();
      await bus.publisher.publish(...message).catch((error: unknown) => {
        if (error instanceof PublishRejected) refused.push(error.errCode);
        else throw error;
      });
      await bus.jsm.streams.delete('TR_RATE_full');
      throw new PublishRejected(message[0], refused[0] ?? 0, 'full');
    });
    const startedAt = performance.now();
    await own.take('full', 1, never);
    expect(refused).toEqual([10_077]);
    expect(performance.now() - startedAt).toBeLessThan(WINDOW_MS);
    expect((await bus.jsm.streams.info('TR_RATE_full')).state.messages).toBe(1);
  });

  test('is no endless matter: a call that nobody counts fails', async () => {
    const bus = await connected();
    const own = new RateLimits(new RateStreams(bus, WINDOW_MS));
    const unheard = vi
      .spyOn(bus.publisher, 'publish')
      .mockRejectedValue(new PublishUncertain('tr.rate.mute', 'silence'));
    await expect(own.take('mute', 1, never)).rejects.toThrow(PublishUncertain);
    expect(unheard).toHaveBeenCalledTimes(3);
  });
});

describe('the streams of sources that have no rate any more', () => {
  const names = async (bus: Bus) => {
    const found: string[] = [];
    for await (const name of bus.jsm.streams.names('tr.rate.*')) found.push(name);
    return found.sort();
  };
  const clear = async (bus: Bus) => {
    for (const name of await names(bus)) await bus.jsm.streams.delete(name);
  };

  test('are deleted by all processes at once, when their minute is over', async () => {
    const processes = await Promise.all(
      [1, 2, 3].map(async () => ({ streams: new RateStreams(await connected(), WINDOW_MS) })),
    );
    const bus = await connected();
    await clear(bus);
    const [{ streams } = { streams: new RateStreams(bus) }] = processes;
    for (const source of ['kept', 'gone', 'counted in']) await streams.prepare(source, 5);
    const countedAt = performance.now();
    await streams.count('counted in');
    const sweep = () => Promise.all(processes.map((each) => each.streams.removeUnused(() => new Set(['kept']))));
    expect(await sweep()).toEqual([1, 1, 1]);
    expect(await names(bus)).toEqual(['TR_RATE_counted=20in', 'TR_RATE_kept']);
    await eventually('its minute is over', async () => (await sweep()).every((left) => left === 0));
    expect(performance.now() - countedAt).toBeGreaterThanOrEqual(WINDOW_MS - 1);
    expect(await names(bus)).toEqual(['TR_RATE_kept']);
    // Whoever comes back begins with what it is given then.
    await new RateLimits(streams).take('gone', 5, never);
    expect(await names(bus)).toEqual(['TR_RATE_gone', 'TR_RATE_kept']);
  });

  test('are kept when they have one again meanwhile', async () => {
    const bus = await connected();
    await clear(bus);
    const streams = new RateStreams(bus, WINDOW_MS);
    await streams.prepare('back', 5);
    let asked = 0;
    // The registry changes after the list has been seen.
    vi.spyOn(bus.jsm.streams, 'info').mockImplementationOnce(async (name) => {
      asked = 1;
      return bus.jsm.streams.info(name);
    });
    expect(await streams.removeUnused(() => new Set(asked === 0 ? [] : ['back']))).toBe(0);
    expect(asked).toBe(1);
    expect(await names(bus)).toEqual(['TR_RATE_back']);
  });
});
