/** What JetStream has lost of logs is noticed, and taken up from the chain. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus, ensureStreams, PublishUncertain, type ResultCommand, WORK_STREAM } from '@tailrace/bus';
import { loadResponse, type StoredResponse } from '@tailrace/database';
import { type RunningServer, startNats } from '@tailrace/infra';
import { append, decodeFrames, encodeFrames, type LogMeta, readEnd, readLog } from '@tailrace/log';
import { foldEvents, foldItems, itemId, newId, type ResponseEvent, type UnnumberedEvent } from '@tailrace/protocol';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { OrchestratorContext } from '../src/context.ts';
import { createResponse } from '../src/create-response.ts';
import { endLogOf } from '../src/end-log.ts';
import { takeLease } from '../src/lease.ts';
import { type LookedAt, recoverLostLogs } from '../src/lost-logs.ts';
import { bringLogUpToDate, logOf, positionBefore } from '../src/projector.ts';
import { recordResult } from '../src/record-result.ts';
import { createCommand, type LimitedDatabase, limitedDatabase } from './limits/limited-database.ts';

const never = new AbortController().signal;
const log = pino({ level: 'silent' });
const GAP = 1_000_000;

let limited: LimitedDatabase;
let dir: string;
let nats: RunningServer;
let bus: Bus;
let context: OrchestratorContext;

beforeAll(async () => {
  limited = await limitedDatabase();
});
afterAll(() => limited.stop());
beforeEach(async () => {
  await sql`DELETE FROM responses`.execute(limited.database);
  await sql`DELETE FROM installation`.execute(limited.database);
  dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  await start();
});
afterEach(async () => {
  await stop();
  await rm(dir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  nats = await startNats({ dir: join(dir, 'live'), log: () => undefined });
  bus = await connectBus({ url: nats.url, name: 'test' });
  await ensureStreams(bus, { partitions: 1, logMaxAgeMs: 3_600_000, duplicateWindowMs: 60_000 });
  context = { ...limited.context, bus, log, partitions: 1 };
}

async function stop(): Promise<void> {
  await bus.close();
  await nats.stop();
}

/** Keeps the server's data as it is; call back to have it again, as after a power cut. */
async function keep(): Promise<() => Promise<void>> {
  await stop();
  await cp(join(dir, 'live'), join(dir, 'kept'), { recursive: true });
  await start();
  return async () => {
    await stop();
    await rm(join(dir, 'live'), { recursive: true });
    await cp(join(dir, 'kept'), join(dir, 'live'), { recursive: true });
    await start();
  };
}

async function wipe(): Promise<void> {
  await stop();
  await rm(join(dir, 'live'), { recursive: true });
  await start();
}

const lookedAt: LookedAt = new Map();
const recover = () => recoverLostLogs(context, lookedAt, never);

/** A response whose first step has been handed out. */
async function begun(): Promise<StoredResponse> {
  const made = await createResponse(context, createCommand([]));
  if (!made) throw new Error('no response was made');
  await bringLogUpToDate(context, made, undefined, never);
  return made;
}

const stepOf = ({ chain }: StoredResponse) => chain[0]?.id ?? '';

/** Its step tells the beginning of an answer; with a seal the whole of it. */
async function tell(response: StoredResponse, text: string, seal: string | null): Promise<void> {
  const end = await readEnd(logOf(context, response.record.id));
  if (!end) throw new Error('the log has not begun');
  const events = answer(stepOf(response), text).slice(0, seal === null ? 3 : undefined);
  const first = end.meta.last + 1;
  const meta: LogMeta = {
    ...end.meta,
    first,
    last: first + events.length - 1,
    writer: 'worker',
    step: { id: stepOf(response), attempt: 1 },
    seal,
  };
  const bytes = Buffer.from(encodeFrames(events, first));
  await append(logOf(context, response.record.id), end.streamSeq, meta, bytes, never);
}

function answer(step: string, text: string): UnnumberedEvent[] {
  const id = itemId('message', step, 0);
  const part = { type: 'output_text' as const, annotations: [], logprobs: [] };
  const item = { type: 'message' as const, id, role: 'assistant' as const };
  const at = { item_id: id, output_index: 0, content_index: 0 };
  return [
    { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...at, part: { ...part, text: '' } },
    { type: 'response.output_text.delta', ...at, delta: text, logprobs: [] },
    { type: 'response.output_text.done', ...at, text, logprobs: [] },
    { type: 'response.content_part.done', ...at, part: { ...part, text } },
    {
      type: 'response.output_item.done',
      output_index: 0,
      item: { ...item, status: 'completed', content: [{ ...part, text }] },
    },
  ];
}

/** The step's outcome is recorded, which ends the response; nothing is told yet. */
async function record(response: StoredResponse): Promise<StoredResponse> {
  const { id } = response.record;
  const end = await readEnd(logOf(context, id));
  if (!end) throw new Error('the log has not begun');
  const nextEvent = end.meta.last + 1;
  const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
  const details = { input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } };
  const items = foldItems(answer(stepOf(response), 'hello') as ResponseEvent[], 0).map((item) => ({ item }));
  const report: ResultCommand = {
    kind: 'model_call',
    responseId: id,
    stepId: stepOf(response),
    attempt: 1,
    startedAt: Date.now(),
    endedAt: Date.now(),
    correlationId: '0'.repeat(32),
    result: { items, finish: 'stop', usage: { ...usage, ...details } },
    error: null,
    log: { streamSeq: end.streamSeq, nextEvent, cursor: end.meta.cursor },
    events: 6,
    calls: [],
  };
  const committed = await recordResult(context, report, never);
  if (!committed?.fresh) throw new Error('nothing was recorded');
  return committed;
}

async function eventsOf({ record: { id } }: StoredResponse): Promise<ResponseEvent[]> {
  const events: ResponseEvent[] = [];
  for await (const { bytes } of readLog(logOf(context, id), 0)) events.push(...decodeFrames(bytes));
  return events;
}

/** The stream of a log from where it began anew the last time. */
function lastPart(events: ResponseEvent[]): ResponseEvent[] {
  return events.slice(events.findLastIndex(({ type }) => type === 'response.created'));
}

async function handedOut(): Promise<number> {
  return (await bus.jsm.streams.info(WORK_STREAM)).state.messages;
}

/** A process to which something happens between its look at a stream and whatever it does then. */
function lookedPast(happens: () => Promise<void>): OrchestratorContext {
  const { jsm } = bus;
  const info: typeof jsm.streams.info = async (...args) => {
    const seen = await jsm.streams.info(...args);
    await happens();
    return seen;
  };
  const streams = Object.assign(Object.create(jsm.streams), { info });
  return { ...context, bus: { ...bus, jsm: Object.assign(Object.create(jsm), { streams }) } };
}

/** What publishes only under this prefix: nothing else is ever acknowledged. */
function only(publisher: Bus['publisher'], prefix: string): Bus['publisher'] {
  const publish: Bus['publisher']['publish'] = async (subject, ...rest) => {
    if (!subject.startsWith(prefix)) throw new PublishUncertain(subject, 'planted');
    return publisher.publish(subject, ...rest);
  };
  return Object.assign(Object.create(publisher), { publish }) as Bus['publisher'];
}

describe('JetStream has lost everything', () => {
  test('a response in its first model call, whose gateway was an hour ahead: its log begins beyond what there was', async () => {
    const response = await begun();
    await recover();
    await sql`UPDATE responses SET created_at = created_at + interval '1 hour'`.execute(limited.database);
    await wipe();
    expect(await recover()).toBe(1);
    const events = await eventsOf(response);
    expect(events[0]).toMatchObject({ type: 'response.created' });
    expect(events[0]?.sequence_number).toBeGreaterThan(GAP);
    expect(await handedOut()).toBe(1);
    expect(await recover()).toBe(0);
  });

  test('one that was just not begun begins at 0', async () => {
    await wipe();
    expect((await eventsOf(await begun()))[0]?.sequence_number).toBe(0);
  });

  test('one that cannot be taken up does not keep the others, and is tried again', async () => {
    const responses = await Promise.all(Array.from({ length: 5 }, begun));
    await recover();
    await wipe();
    const broken = responses[2]?.record.id ?? '';
    const refused = { ...bus.publisher, publish: bus.publisher.publish.bind(bus.publisher) };
    const failing: Bus = {
      ...bus,
      publisher: Object.assign(Object.create(bus.publisher), {
        publish: (subject: string, ...rest: unknown[]) => {
          if (subject.endsWith(broken)) throw new TypeError('planted');
          return Reflect.apply(refused.publish, bus.publisher, [subject, ...rest]);
        },
      }) as Bus['publisher'],
    };
    expect(await recoverLostLogs({ ...context, bus: failing }, lookedAt, never)).toBe(4);
    expect(await recover()).toBe(1);
    expect(await recover()).toBe(0);
    for (const response of responses) expect(await eventsOf(response)).not.toEqual([]);
  });

  test('one whose log was begun anew by who was killed then: its step is handed out, and only once', async () => {
    const { record } = await begun();
    await recover();
    await wipe();
    const killed = { ...context, bus: { ...bus, publisher: only(bus.publisher, 'tr.log.') } };
    expect(await recoverLostLogs(killed, new Map(), AbortSignal.timeout(500))).toBe(0);
    expect(await eventsOf({ record } as StoredResponse)).not.toEqual([]);
    expect(await handedOut()).toBe(0);
    lookedAt.clear();
    expect(await recover()).toBe(1);
    expect(await handedOut()).toBe(1);
    expect(await recover()).toBe(0);
    expect(await handedOut()).toBe(1);
  });

  test('one process at a time is at it; what one has left that was killed, the next one takes up', async () => {
    await begun();
    await recover();
    await wipe();
    const other = await takeLease(context, 'recovery of TR_LOG_0', 60_000);
    expect(await recover()).toBe(0);
    await other?.release();
    const killed = await takeLease(context, 'recovery of TR_LOG_0', 1);
    await expect.poll(recover).toBe(1);
    expect(await killed?.renew()).toBe(false);
  });
});

describe('JetStream has lost what came last', () => {
  test('a response in a model call: its log begins anew, and the step is handed out from there', async () => {
    const response = await begun();
    const restore = await keep();
    await tell(response, 'seen', null);
    await recover();
    await restore();
    expect(await recover()).toBe(1);
    const events = await eventsOf(response);
    expect(lastPart(events)[0]?.sequence_number).toBeGreaterThan(GAP);
    expect(await handedOut()).toBe(1);
    const end = await readEnd(logOf(context, response.record.id));
    const position = await positionBefore(context, response.record.id, stepOf(response));
    expect(position).toMatchObject({ streamSeq: end?.streamSeq, nextEvent: (end?.meta.last ?? 0) + 1 });
    expect(await recover()).toBe(0);
    expect(await eventsOf(response)).toEqual(events);
  });

  test('it is noticed although the stream has grown beyond what it was', async () => {
    const response = await begun();
    const restore = await keep();
    await tell(response, 'seen', null);
    await recover();
    await restore();
    for (let more = 0; more < 3; more += 1) await begun();
    expect(await recover()).toBeGreaterThan(0);
    expect(lastPart(await eventsOf(response))[0]?.sequence_number).toBeGreaterThan(GAP);
  });

  test('a step that has come to its end in the log is left alone', async () => {
    const response = await begun();
    await tell(response, 'hello', '{}');
    const before = await eventsOf(response);
    const restore = await keep();
    await begun();
    await recover();
    await restore();
    await recover();
    expect(await eventsOf(response)).toEqual(before);
  });

  test('a response that has ended: only its end is missing, and is the same again', async () => {
    const response = await begun();
    await tell(response, 'hello', '{}');
    const restore = await keep();
    const ended = await record(response);
    await bringLogUpToDate(context, ended, undefined, never);
    const before = await eventsOf(response);
    await recover();
    await restore();
    await recover();
    expect(await eventsOf(response)).toEqual(before);
    expect((await readEnd(logOf(context, response.record.id)))?.meta.ended).toBe('completed');
  });

  test('a response that has ended: a part of its answer is missing, and its stream begins anew', async () => {
    const response = await begun();
    const restore = await keep();
    await tell(response, 'hello', '{}');
    await bringLogUpToDate(context, await record(response), undefined, never);
    await recover();
    await restore();
    await recover();
    const events = await eventsOf(response);
    expect(events.map(({ sequence_number: number }) => number)).toEqual(
      events.map(({ sequence_number: number }) => number).toSorted((a, b) => a - b),
    );
    expect(foldEvents(lastPart(events))).toMatchObject({ status: 'completed', output: [{ type: 'message' }] });
    const stored = await loadResponse(limited.database, response.record.id);
    expect(events.at(-1)?.sequence_number).toBe((stored?.record.nextEvent ?? 0) - 1);
    expect((await readEnd(logOf(context, response.record.id)))?.meta.ended).toBe('completed');
  });

  test('what another process notes meanwhile is no sign of a loss, and what this one has seen does not replace it', async () => {
    const response = await begun();
    await recover();
    const before = await eventsOf(response);
    const notes = () => sql<{ value: string }>`SELECT * FROM installation ORDER BY name`.execute(limited.database);
    let noted = await notes();
    await recoverLostLogs(
      lookedPast(async () => {
        await begun();
        await recover();
        noted = await notes();
      }),
      new Map(),
      never,
    );
    expect(await eventsOf(response)).toEqual(before);
    expect((await notes()).rows).toEqual(noted.rows);
  });

  test('a stream that ends as it was noted has lost nothing', async () => {
    const response = await begun();
    await recover();
    const before = await eventsOf(response);
    const restore = await keep();
    await restore();
    expect(await recover()).toBe(0);
    expect(await eventsOf(response)).toEqual(before);
  });
});

describe('the end of a log', () => {
  test('is appended once, whoever asks, and however often', async () => {
    const response = await begun();
    await tell(response, 'hello', '{}');
    await record(response);
    const { id } = response.record;
    const all = await Promise.all([1, 2, 3].map(() => endLogOf(context, id, never)));
    expect(all).toContain(true);
    expect(await endLogOf(context, id, never)).toBe(false);
    const events = await eventsOf(response);
    expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_, index) => index));
    expect(events.filter(({ type }) => type === 'response.completed')).toHaveLength(1);
  });

  test('is not there while the response lives, nor where there is no log', async () => {
    const response = await begun();
    expect(await endLogOf(context, response.record.id, never)).toBe(false);
    expect(await endLogOf(context, newId(Date.now()), never)).toBe(false);
  });
});
