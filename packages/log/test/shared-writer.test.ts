import { setTimeout as sleep } from 'node:timers/promises';
import { logStream, logSubject } from '@tailrace/bus';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  append,
  CLOSING_ATTEMPT,
  decodeFrames,
  EMPTY_LOG,
  Fenced,
  type LogMessage,
  type LogMeta,
  type LogTarget,
  LogWriter,
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

/** A writer of one step; the step's name is the writer's, too, unless it is told otherwise. */
function writer(
  target: LogTarget,
  step: string,
  options: Partial<ConstructorParameters<typeof LogWriter>[0]> = {},
): LogWriter {
  return new LogWriter({
    target,
    from: EMPTY_LOG,
    writer: step,
    step: { id: step, attempt: 1 },
    bufferLimit: 1_000_000,
    messageLimit: 64_000,
    shared: true,
    signal: never,
    ...options,
  });
}

async function stored(target: LogTarget): Promise<LogMessage[]> {
  const messages: LogMessage[] = [];
  for await (const message of readLog(target, 0)) messages.push(message);
  return messages;
}

/** The texts of a log's events, once it is certain that they are numbered 0, 1, 2 …, in the frames and in the headers. */
async function texts(target: LogTarget): Promise<string[]> {
  const told: string[] = [];
  for (const { meta, bytes } of await stored(target)) {
    expect(meta.first).toBe(told.length);
    for (const event of decodeFrames(bytes)) {
      expect(event.sequence_number).toBe(told.length);
      told.push('delta' in event ? event.delta : event.type);
    }
    expect(meta.last).toBe(told.length - 1);
  }
  return told;
}

function meta(fields: Partial<LogMeta> = {}): LogMeta {
  return { first: 0, last: -1, cursor: 1, writer: 'orchestrator', step: null, seal: null, ended: null, ...fields };
}

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}${index}`);

describe('writers of one log', () => {
  test('interleave: every event is there once, in its writer’s order, and the numbers have no gap', async () => {
    const target = nats.target();
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(
      names.map(async (name) => {
        const log = writer(target, name, { messageLimit: 300 });
        for (const [index, text] of numbered(name, 60).entries()) {
          log.write([delta(text)]);
          if (index % 7 === 0) await sleep(1);
        }
        await log.end(`seal of ${name}`);
        expect(log.written).toBe(60);
      }),
    );
    const told = await texts(target);
    for (const name of names) expect(told.filter((text) => text.startsWith(name))).toEqual(numbered(name, 60));
    expect(told).toHaveLength(240);
    const seals = (await stored(target)).map((message) => message.meta.seal).filter((seal) => seal !== null);
    expect(new Set(seals)).toEqual(new Set(names.map((name) => `seal of ${name}`)));
    expect(seals).toHaveLength(4);
  });

  test('keep events together that belong together', async () => {
    const target = nats.target();
    const log = writer(target, 'a');
    await append(target, 0, meta({ last: 0, first: 0 }), Buffer.from(''), never);
    log.write([delta('1'), delta('2')]);
    await log.end('{}');
    const last = (await stored(target)).at(-1);
    expect([last?.meta.first, last?.meta.last, last?.meta.seal]).toEqual([1, 2, '{}']);
  });

  test('take over how much of the chain the log holds', async () => {
    const target = nats.target();
    const log = writer(target, 'a', { from: { ...EMPTY_LOG, cursor: 3 } });
    await append(target, 0, meta({ cursor: 7 }), Buffer.from(''), never);
    log.write([delta('1')]);
    expect(await log.end('{}')).toMatchObject({ cursor: 7, nextEvent: 1 });

    const other = nats.target();
    const knows = writer(other, 'a', { from: { ...EMPTY_LOG, cursor: 9 } });
    await append(other, 0, meta({ cursor: 7 }), Buffer.from(''), never);
    expect(await knows.end('{}')).toMatchObject({ cursor: 9 });
  });

  test('find their way however far the others have gone', async () => {
    const target = nats.target();
    const late = writer(target, 'late');
    const busy = writer(target, 'busy', { messageLimit: 1 });
    for (const text of numbered('b', 50)) busy.write([delta(text)]);
    await busy.end('{}');
    expect((await stored(target)).length).toBe(50);
    late.write([delta('late')]);
    await late.end('{}');
    expect((await texts(target)).at(-1)).toBe('late');
  });
});

describe('a writer whose acknowledgement is lost', () => {
  test('finds its message though others have written behind it', async () => {
    const target = nats.target();
    let lost = 0;
    const deaf = { ...target, bus: deafBus(nats.bus, () => ++lost === 1) };
    const log = writer(deaf, 'a');
    const other = writer(target, 'b');
    log.write([delta('a0')]);
    // The other one follows while the first still waits for the acknowledgement that does not come.
    await expect.poll(async () => (await stored(target)).length).toBe(1);
    other.write([delta('b0')]);
    await other.end('{}');
    log.write([delta('a1')]);
    await log.end('{}');
    expect(lost).toBeGreaterThan(1);
    expect(await texts(target)).toEqual(['a0', 'b0', 'a1']);
    expect(log.written).toBe(2);
  });

  test('sends its message again when it never left', async () => {
    const target = nats.target();
    const log = writer({ ...target, bus: silencedOnce(nats.bus) }, 'a');
    log.write([delta('a0')]);
    const other = writer(target, 'b');
    other.write([delta('b0')]);
    await other.end('{}');
    await log.end('{}');
    expect(await texts(target)).toEqual(['b0', 'a0']);
  });
});

describe('a writer is shut out', () => {
  test('by a later attempt at its step, whatever others have written between', async () => {
    const target = nats.target();
    const first = writer(target, 'a', { writer: 'first' });
    first.write([delta('a0')]);
    await expect.poll(async () => (await stored(target)).length).toBe(1);
    const end = await readEnd(target);
    if (!end) throw new Error('nothing is there');
    const second = writer(target, 'a', {
      from: { streamSeq: end.streamSeq, nextEvent: 1, cursor: 1 },
      writer: 'second',
      step: { id: 'a', attempt: 2 },
    });
    await second.claim();
    const other = writer(target, 'b');
    other.write([delta('b0')]);
    await other.end('{}');
    first.write([delta('late')]);
    const shut = await first.end('{}').catch((error: unknown) => error);
    expect(shut).toBeInstanceOf(Fenced);
    expect(shut).toMatchObject({ by: { step: { id: 'a', attempt: 2 } } });
    expect(() => first.write([delta('later')])).toThrow(Fenced);
    second.write([delta('a1')]);
    await second.end('{}');
    expect(await texts(target)).toEqual(['a0', 'b0', 'a1']);
  });

  test('by the same attempt in another process, which a server that forgot has given the step, too', async () => {
    const target = nats.target();
    const [one, other] = [writer(target, 'a', { writer: 'one' }), writer(target, 'a', { writer: 'other' })];
    one.write([delta('one')]);
    await one.end('{}');
    other.write([delta('other')]);
    await expect(other.end('{}')).rejects.toThrow(Fenced);
    expect(await texts(target)).toEqual(['one']);
  });

  test('from a claim by what an earlier attempt has written meanwhile: it is to be read first', async () => {
    const target = nats.target();
    const earlier = writer(target, 'a', { writer: 'earlier' });
    earlier.write([delta('a0')]);
    await expect.poll(async () => (await stored(target)).length).toBe(1);
    const later = writer(target, 'a', { writer: 'later', step: { id: 'a', attempt: 2 } });
    await expect(later.claim()).rejects.toThrow(Fenced);
  });

  test('by whoever closes the log to its step', async () => {
    const target = nats.target();
    const log = writer(target, 'a');
    await append(target, 0, meta({ step: { id: 'a', attempt: CLOSING_ATTEMPT } }), Buffer.from(''), never);
    log.write([delta('late')]);
    await expect(log.end('{}')).rejects.toMatchObject({ by: { step: { attempt: CLOSING_ATTEMPT } } });
  });

  test('by the end of the log', async () => {
    const target = nats.target();
    const log = writer(target, 'a');
    await append(target, 0, meta({ last: 0, ended: 'cancelled' }), Buffer.from(''), never);
    log.write([delta('late')]);
    await expect(log.end('{}')).rejects.toMatchObject({ by: { ended: 'cancelled' } });
    expect(await stored(target)).toHaveLength(1);
  });

  test('by a log that has begun anew in the place of its own', async () => {
    const target = nats.target();
    const log = writer(target, 'a');
    log.write([delta('a0')]);
    await expect.poll(async () => (await stored(target)).length).toBe(1);
    await nats.bus.jsm.streams.purge(logStream(0), { filter: logSubject(0, target.id) });
    await append(target, 0, meta({ first: 1_000_000, last: 1_000_001 }), Buffer.from(''), never);
    log.write([delta('late')]);
    await expect(log.end('{}')).rejects.toThrow(Fenced);
    expect(await stored(target)).toHaveLength(1);
  });

  test('by a log that is gone', async () => {
    const target = nats.target();
    const log = writer(target, 'a');
    log.write([delta('a0')]);
    await expect.poll(async () => (await stored(target)).length).toBe(1);
    await nats.bus.jsm.streams.purge(logStream(0), { filter: logSubject(0, target.id) });
    log.write([delta('late')]);
    await expect(log.end('{}')).rejects.toThrow(Fenced);
  });
});
