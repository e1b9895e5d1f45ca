import { BlobExpired, type Bus } from '@tailrace/bus';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { INLINE_BYTES } from '../src/append.ts';
import {
  append,
  decodeFrames,
  dropLogPayloads,
  EMPTY_LOG,
  Fenced,
  type LogMessage,
  type LogMeta,
  type LogTarget,
  LogWriter,
  positionAfter,
  readEnd,
  readLog,
} from '../src/index.ts';
import { deafBus, silencedOnce } from './faulty-bus.ts';
import { delta, type TestNats, testNats } from './nats.ts';

let nats: TestNats;
beforeAll(async () => {
  nats = await testNats();
});
afterAll(() => nats.stop());

const never = new AbortController().signal;

function writer(target: LogTarget, options: Partial<ConstructorParameters<typeof LogWriter>[0]> = {}): LogWriter {
  return new LogWriter({
    target,
    from: EMPTY_LOG,
    writer: 'one',
    step: { id: 'step', attempt: 1 },
    bufferLimit: 1_000_000,
    messageLimit: 64_000,
    shared: false,
    signal: never,
    ...options,
  });
}

async function stored(target: LogTarget): Promise<LogMessage[]> {
  const messages: LogMessage[] = [];
  for await (const message of readLog(target, 0)) messages.push(message);
  return messages;
}

function meta(fields: Partial<LogMeta> = {}): LogMeta {
  return { first: 0, last: 0, cursor: 1, writer: 'one', step: null, seal: null, ended: null, ...fields };
}

async function besideStreams(): Promise<number> {
  const { state } = await nats.bus.jsm.streams.info('OBJ_tailrace', { subjects_filter: '$O.tailrace.C.>' });
  return Object.keys(state.subjects ?? {}).length;
}

describe('append', () => {
  test('stores a message only directly after the one that its writer knows', async () => {
    const target = nats.target();
    const seq = await append(target, 0, meta(), Buffer.from('a'), never);
    await expect(append(target, 0, meta({ writer: 'two' }), Buffer.from('b'), never)).rejects.toThrow(Fenced);
    await append(target, seq, meta({ first: 1, last: 1 }), Buffer.from('c'), never);
    expect((await stored(target)).map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['a', 'c']);
  });

  test('leaves nothing beside the log of what may not follow', async () => {
    const target = nats.target();
    const pieces = () => [Buffer.from('a')];
    const before = await besideStreams();
    await expect(append(target, 7, meta(), pieces, never)).rejects.toThrow(Fenced);
    expect(await besideStreams()).toBe(before);
    await append(target, 0, meta(), pieces, never);
    expect(await besideStreams()).toBe(before + 1);
  });

  test('knows its own message again when the acknowledgement was lost', async () => {
    const target = nats.target();
    let lost = 0;
    const deaf = { ...target, bus: deafBus(nats.bus, () => ++lost === 1) };
    const seq = await append(deaf, 0, meta(), Buffer.from('a'), never);
    expect(lost).toBe(1);
    expect(await readEnd(target)).toEqual({ streamSeq: seq, meta: meta() });
    expect((await stored(target)).length).toBe(1);
  });

  test('takes nobody else’s message for its own', async () => {
    const target = nats.target();
    await append(target, 0, meta({ writer: 'other' }), Buffer.from('b'), never);
    const deaf = { ...target, bus: silencedOnce(nats.bus) };
    await expect(append(deaf, 0, meta(), Buffer.from('a'), AbortSignal.timeout(5_000))).rejects.toThrow(Fenced);
  });

  test('carries what does not fit into a message', async () => {
    const target = nats.target();
    const large = Buffer.alloc(9 * 1024 * 1024, 'x');
    await append(target, 0, meta(), large, never);
    const [message] = await stored(target);
    expect(Buffer.compare(message?.bytes ?? Buffer.alloc(0), large)).toBe(0);
  });
});

describe('a writer', () => {
  test('numbers its events from where the log ends, and tells where it then ends', async () => {
    const target = nats.target();
    const seq = await append(target, 0, meta({ last: 2, cursor: 3 }), Buffer.from('x'), never);
    const log = writer(target, { from: positionAfter(meta({ last: 2, cursor: 3 }), seq) });
    log.write([delta('a'), delta('b')]);
    const position = await log.end('{}');
    const messages = (await stored(target)).slice(1);
    expect(messages.flatMap(({ bytes }) => decodeFrames(bytes).map((event) => event.sequence_number))).toEqual([3, 4]);
    expect(position).toEqual({ streamSeq: messages.at(-1)?.streamSeq, nextEvent: 5, cursor: 3 });
  });

  test('sends a slow stream event by event, and batches a fast one', async () => {
    const slow = nats.target();
    const slowWriter = writer(slow);
    for (let index = 0; index < 5; index += 1) {
      slowWriter.write([delta(`${index}`)]);
      await nextMessage(slow, index + 1);
    }
    await slowWriter.end('{}');
    expect((await stored(slow)).map(({ meta: each }) => each.last - each.first + 1)).toEqual([1, 1, 1, 1, 1, 0]);

    const fast = nats.target();
    const fastWriter = writer(fast);
    for (let index = 0; index < 2_000; index += 1) fastWriter.write([delta(`${index}`)]);
    await fastWriter.end('{}');
    const messages = await stored(fast);
    expect(messages.length).toBeLessThan(20);
    expect(messages.flatMap(({ bytes }) => decodeFrames(bytes)).length).toBe(2_000);
    for (const { bytes } of messages) expect(bytes.length).toBeLessThanOrEqual(64_000);
  });

  test('never divides a group of events', async () => {
    const target = nats.target();
    const log = writer(target, { messageLimit: 10 });
    log.write([delta('a'), delta('b'), delta('c')]);
    log.write([delta('d')]);
    await log.end('{}');
    expect((await stored(target)).map(({ meta: each }) => [each.first, each.last])).toEqual([
      [0, 2],
      [3, 3],
    ]);
  });

  test('puts its seal on its last message, an empty one if need be', async () => {
    const target = nats.target();
    const log = writer(target);
    log.write([delta('a')]);
    await log.end('{"é":1}');
    expect((await stored(target)).map(({ meta: each }) => each.seal)).toEqual(['{"é":1}']);

    const silent = nats.target();
    await writer(silent).end('{}');
    expect((await stored(silent)).map(({ meta: each, bytes }) => [each.seal, bytes.length])).toEqual([['{}', 0]]);
  });

  test('names where its seal is, when that is kept beside the log; both go with what else is kept there', async () => {
    const target = nats.target();
    const { blobs } = target.bus;
    const { blob } = await blobs.put(Buffer.from('{}'));
    const log = writer(target, { bufferLimit: 10_000_000 });
    log.write([delta('x'.repeat(INLINE_BYTES + 1))]);
    await log.end({ blob });
    expect((await stored(target)).map(({ meta: each }) => each.seal)).toEqual([{ blob }]);
    await dropLogPayloads(target);
    expect(await blobs.has({ blob })).toBe(false);
    await expect(stored(target)).rejects.toThrow(BlobExpired);
  });

  test('that was taken over can append nothing more', async () => {
    const target = nats.target();
    const first = writer(target);
    first.write([delta('a')]);
    await nextMessage(target, 1);
    const end = await readEnd(target);
    if (!end) throw new Error('nothing is there');
    const second = writer(target, { from: positionAfter(end.meta, end.streamSeq), writer: 'two' });
    await second.claim();
    first.write([delta('late')]);
    await expect(first.end('{}')).rejects.toThrow(Fenced);
    expect(() => first.write([delta('later')])).toThrow(Fenced);
    second.write([delta('b')]);
    await second.end('{}');
    const events = (await stored(target)).flatMap(({ bytes }) => decodeFrames(bytes));
    expect(events.map((event) => event.sequence_number)).toEqual([0, 1]);
  });

  test('holds its producer back while NATS is away, and loses nothing', async () => {
    const { bus, published } = countedBus(await nats.connect({ timeoutMs: 500 }));
    const target = nats.target(bus);
    const log = writer(target, { bufferLimit: 1_000 });
    await nats.freeze(bus);
    try {
      for (let index = 0; index < 50; index += 1) log.write([delta(`${index}`)]);
      let ready = false;
      const waiting = log.ready().then(() => {
        ready = true;
      });
      // The first message had no answer in time, and is being sent again.
      await published(2);
      expect(ready).toBe(false);
      nats.thaw();
      await waiting;
      await log.end('{}');
    } finally {
      nats.thaw();
    }
    const events = (await stored(target)).flatMap(({ bytes }) => decodeFrames(bytes));
    expect(events.map((event) => event.sequence_number)).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });
});

/** A connection that tells how often something was published. */
function countedBus(bus: Bus): { bus: Bus; published(count: number): Promise<void> } {
  let count = 0;
  let wake: () => void = () => undefined;
  const publisher = Object.create(bus.publisher, {
    publish: {
      value: (...args: Parameters<Bus['publisher']['publish']>) => {
        count += 1;
        wake();
        return bus.publisher.publish(...args);
      },
    },
  });
  return {
    bus: { ...bus, publisher },
    async published(wanted) {
      while (count < wanted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

async function nextMessage(target: LogTarget, count: number): Promise<void> {
  while ((await stored(target)).length < count) await new Promise((resolve) => setImmediate(resolve));
}
