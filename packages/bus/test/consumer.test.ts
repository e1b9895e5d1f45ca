import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNats } from '@tailrace/infra';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Bus,
  connectBus,
  decodeMessage,
  ensureStreams,
  MalformedMessage,
  payloadOf,
  publishPayload,
  publishUntilStored,
  QueueConsumer,
  type QueueConsumerOptions,
  token,
  WORK_STREAM,
  type WorkSource,
  workDurable,
  workFilter,
  workSubject,
} from '../src/index.ts';

let dir: string;
let nats: Awaited<ReturnType<typeof startNats>>;
let bus: Bus;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  nats = await startNats({ dir, log: () => undefined });
  bus = await connectBus({ url: nats.url, name: 'test' });
  await ensureStreams(bus, { partitions: 2, logMaxAgeMs: 3_600_000, duplicateWindowMs: 120_000 });
});
afterAll(async () => {
  await bus.close();
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

let sources = 0;
function newSource(): WorkSource {
  sources += 1;
  return { kind: 'tool', name: `tool ${sources}` };
}

async function consume(source: WorkSource, options: Partial<QueueConsumerOptions>): Promise<QueueConsumer> {
  const consumer = new QueueConsumer(bus, {
    stream: WORK_STREAM,
    durable: workDurable(source),
    filter: workFilter(source),
    maxAckPending: 100,
    ackWaitMs: 600,
    maxDeliver: 5,
    limit: 100,
    redeliverMs: 10,
    redeliverMaxMs: 1_000,
    handle: () => Promise.resolve(),
    onError: () => undefined,
    ...options,
  });
  await consumer.start();
  return consumer;
}

async function publish(source: WorkSource, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await bus.publisher.publish(workSubject(source, 'default'), Buffer.from(`${index}`));
  }
}

/** Counts what is going on at once. */
class Meter {
  now = 0;
  most = 0;
  done = 0;
  readonly seen: string[] = [];
  #wake: () => void = () => undefined;

  async work(message: { data: Uint8Array }, ms: number): Promise<void> {
    this.now += 1;
    this.most = Math.max(this.most, this.now);
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.now -= 1;
    this.done += 1;
    this.seen.push(Buffer.from(message.data).toString());
    this.#wake();
  }

  async until(count: number): Promise<void> {
    while (this.done < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

describe('a queue consumer', () => {
  test('works on every message once, as many at a time as it may', async () => {
    const source = newSource();
    const meter = new Meter();
    const consumer = await consume(source, { limit: 3, handle: (message) => meter.work(message, 5) });
    await publish(source, 30);
    await meter.until(30);
    expect(meter.most).toBe(3);
    expect(new Set(meter.seen).size).toBe(30);
    await consumer.stop(1_000);
  });

  test('shares a limit with all other processes', async () => {
    const source = newSource();
    const meter = new Meter();
    const options = { maxAckPending: 4, handle: (message: { data: Uint8Array }) => meter.work(message, 20) };
    const consumers = await Promise.all([consume(source, options), consume(source, options), consume(source, options)]);
    await publish(source, 40);
    await meter.until(40);
    expect(meter.most).toBe(4);
    await Promise.all(consumers.map((consumer) => consumer.stop(1_000)));
  });

  test('keeps a message that takes longer than the wait, as long as it works on it', async () => {
    const source = newSource();
    const meter = new Meter();
    const consumer = await consume(source, { handle: (message) => meter.work(message, 2_000) });
    await publish(source, 1);
    await meter.until(1);
    await publish(source, 1);
    await meter.until(2);
    expect(meter.seen).toEqual(['0', '0']);
    await consumer.stop(1_000);
  });

  test('tries a message again that failed, and reports it', async () => {
    const source = newSource();
    const errors: unknown[] = [];
    const meter = new Meter();
    const consumer = await consume(source, {
      onError: (error) => errors.push(error),
      async handle(message) {
        if (message.deliveryCount < 3) throw new Error('not yet');
        await meter.work(message, 1);
      },
    });
    await publish(source, 1);
    await meter.until(1);
    expect(errors.length).toBe(2);
    await consumer.stop(1_000);
  });

  test('that stops hands what it cannot finish to another at once', async () => {
    const source = newSource();
    let begun: () => void = () => undefined;
    const running = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const first = await consume(source, {
      ackWaitMs: 60_000,
      handle: (_, signal) => {
        begun();
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        });
      },
    });
    await publish(source, 1);
    await running;
    const meter = new Meter();
    const second = await consume(source, { ackWaitMs: 60_000, handle: (message) => meter.work(message, 1) });
    await first.stop(50);
    await meter.until(1);
    expect(meter.seen).toEqual(['0']);
    await second.stop(1_000);
  });

  test('comes back when its consumer has gone', async () => {
    const source = newSource();
    const meter = new Meter();
    const consumer = await consume(source, { handle: (message) => meter.work(message, 1) });
    await bus.jsm.consumers.delete(WORK_STREAM, workDurable(source));
    await publish(source, 1);
    await meter.until(1);
    await consumer.stop(1_000);
  });
});

describe('a payload', () => {
  test.each([
    ['small', 10],
    ['larger than a message may be', 20 * 1024 * 1024],
  ])('%s travels', async (_, size) => {
    const source = newSource();
    const bytes = Buffer.alloc(size, 'x');
    let got: Uint8Array | undefined;
    let told: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      told = resolve;
    });
    const consumer = await consume(source, {
      async handle(message) {
        got = await payloadOf(bus, message);
        told();
      },
    });
    await publishPayload(bus, workSubject(source, 'default'), bytes);
    await arrived;
    expect(Buffer.compare(got ?? Buffer.alloc(0), bytes)).toBe(0);
    await consumer.stop(1_000);
  });

  test('with a message id is stored once', async () => {
    const subject = workSubject(newSource(), 'default');
    const never = new AbortController().signal;
    const first = await publishUntilStored(bus, subject, Buffer.from('a'), 'the id', never);
    const second = await publishUntilStored(bus, subject, Buffer.from('a'), 'the id', never);
    expect([first.duplicate, second.duplicate, second.seq]).toEqual([false, true, first.seq]);
  });

  test('that is not JSON is malformed', () => {
    expect(() => decodeMessage('tr.chain.0.result', Buffer.from('{'))).toThrow(MalformedMessage);
  });
});

describe('a token', () => {
  test.each([
    ['qwen3-32b', 'qwen3-32b'],
    ['meta/llama 3.1', 'meta=2Fllama=203=2E1'],
    ['a=b', 'a=3Db'],
    ['über*>', '=C3=BCber=2A=3E'],
  ])('%s is %s', (name, expected) => {
    expect(token(name)).toBe(expected);
  });
});

test('two processes that make the streams at once agree', async () => {
  const options = { partitions: 2, logMaxAgeMs: 3_600_000, duplicateWindowMs: 120_000 };
  const other = await connectBus({ url: nats.url, name: 'other' });
  await Promise.all([ensureStreams(bus, options), ensureStreams(other, options), ensureStreams(bus, options)]);
  expect((await bus.jsm.streams.info('TR_LOG_1')).config.republish).toEqual({
    src: 'tr.log.1.*',
    dest: 'tr.tail.1.{{wildcard(1)}}',
  });
  await other.close();
});
