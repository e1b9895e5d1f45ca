/** Brings a log up to what its chain says. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LogPosition, logStream, partitionOf } from '@tailrace/bus';
import { hasEnded, project, type ResponseRecord } from '@tailrace/chain';
import { loadResponse, type StoredResponse } from '@tailrace/database';
import {
  append,
  beginsAnew,
  EMPTY_LOG,
  encodeFrames,
  Fenced,
  type LogEnd,
  type LogTarget,
  positionAfter,
  readEnd,
  readLeaderEnd,
  readMetas,
} from '@tailrace/log';
import type { ResponseId, StepId, UnnumberedEvent } from '@tailrace/protocol';
import { sql } from 'kysely';
import type { OrchestratorContext } from './context.ts';
import { isCutShort } from './log-standing.ts';

/**
 * How far the event numbers jump when JetStream has lost a log: beyond anything that can have been published since the
 * chain was last written (I1: they never go back or repeat).
 */
const LOST_LOG_GAP = 1_000_000;

/** Milliseconds that another process is given to append what it has committed a jump for. */
const LOOK_AGAIN_MS = 250;

/**
 * Appends every event that the chain has and the log has not, in one fenced publish; whoever else does the same at the
 * same time only makes this one look again. A log that JetStream has lost, or the tail of it, begins anew. `known` is where
 * the log is supposed to end. Resolves with where it does.
 */
export async function bringLogUpToDate(
  context: OrchestratorContext,
  stored: StoredResponse,
  known: LogPosition | undefined,
  signal: AbortSignal,
): Promise<LogPosition> {
  const target = logOf(context, stored.record.id);
  let { record, chain } = stored;
  for (let at = known ?? (await endPosition(target)); ; at = await endPosition(target)) {
    if (at.cursor >= record.entries) return at;
    if (at !== known && (await isLost(context, { record, chain }, at))) {
      const begun = await beginAnew(context, { record, chain }, at, signal);
      if (begun) return begun;
      await sleep(LOOK_AGAIN_MS, undefined, { signal });
      const now = await loadResponse(context.database, record.id);
      if (!now) return at;
      ({ record, chain } = now);
    } else {
      const events = project(record, chain, at.cursor);
      if (events.length === 0) return { ...at, cursor: record.entries };
      const appended = await appendEvents(target, record, at, { events, first: at.nextEvent }, signal);
      if (appended) return appended;
    }
  }
}

/** Has the log of a response begin anew, because what clients have seen of it may be lost; see {@link bringLogUpToDate}. */
export async function beginLogAnew(context: OrchestratorContext, id: ResponseId, signal: AbortSignal): Promise<void> {
  for (;;) {
    const stored = await loadResponse(context.database, id);
    if (!stored) return;
    const at = positionOf(await readLeaderEnd(logOf(context, id)));
    if (await beginAnew(context, stored, at, signal)) return;
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
}

/** Everything that the chain has, after `at`; undefined when the log or the chain has gone on meanwhile. */
async function beginAnew(
  context: OrchestratorContext,
  { record, chain }: StoredResponse,
  at: LogPosition,
  signal: AbortSignal,
): Promise<LogPosition | undefined> {
  const target = logOf(context, record.id);
  if (positionOf(await readLeaderEnd(target)).streamSeq !== at.streamSeq) return undefined;
  const events = project(record, chain, 0, { replay: true });
  const first = await jump(context, record, events.length);
  if (first === undefined) return undefined;
  return appendEvents(target, record, at, { events, first }, signal);
}

/** Appends the events of the entries up to the last one; undefined when somebody else has appended something. */
async function appendEvents(
  target: LogTarget,
  record: ResponseRecord,
  at: LogPosition,
  { events, first }: { events: UnnumberedEvent[]; first: number },
  signal: AbortSignal,
): Promise<LogPosition | undefined> {
  const meta = {
    first,
    last: first + events.length - 1,
    cursor: record.entries,
    writer: randomUUID(),
    step: null,
    seal: null,
    ended: hasEnded(record) ? record.status : null,
  };
  try {
    const streamSeq = await append(target, at.streamSeq, meta, Buffer.from(encodeFrames(events, first)), signal);
    return positionAfter(meta, streamSeq);
  } catch (error) {
    if (!(error instanceof Fenced)) throw error;
    return undefined;
  }
}

/**
 * Whether JetStream has lost a log that ends before its chain, or its tail. One that is empty may just not have been begun: but
 * what follows the first entry is never published before it, and a response that is older than the stream had its log in
 * another one. The age is told by the database: the gateway that was asked may have another clock.
 */
async function isLost(context: OrchestratorContext, stored: StoredResponse, at: LogPosition): Promise<boolean> {
  const { id, entries } = stored.record;
  if (at.streamSeq > 0) return isCutShort(logOf(context, id), stored, at);
  if (entries > 1) return true;
  const { created } = await context.bus.jsm.streams.info(logStream(partitionOf(id, context.partitions)));
  const older = await context.database
    .selectFrom('responses')
    .select('id')
    .where('id', '=', id)
    .where('accepted_at', '<', new Date(created))
    .executeTakeFirst();
  return older !== undefined;
}

/** Appends what the log of a response that has ended may still lack: its end, if a crash kept it back. */
export async function finishLog(
  context: OrchestratorContext,
  stored: StoredResponse,
  signal: AbortSignal,
): Promise<void> {
  const end = await endPosition(logOf(context, stored.record.id));
  if (end.streamSeq > 0) await bringLogUpToDate(context, stored, undefined, signal);
}

/**
 * Moves the numbers of a response's events on, so that `events` more can be published that nobody has seen a number of;
 * undefined when somebody else has moved them. It is committed first: a log that is lost a second time does not repeat what
 * the first recovery has published.
 */
async function jump(
  context: OrchestratorContext,
  { id, nextEvent }: ResponseRecord,
  events: number,
): Promise<number | undefined> {
  const row = await context.database
    .updateTable('responses')
    .set((columns) => ({ next_event: sql<number>`${columns.ref('next_event')} + ${LOST_LOG_GAP + events}` }))
    .where('id', '=', id)
    .where('next_event', '=', String(nextEvent))
    .returning('next_event')
    .executeTakeFirst();
  return row && Number(row.next_event) - events;
}

/** Where the log stood when a model step was first handed out: before the first message that the step wrote. */
export async function positionBefore(context: OrchestratorContext, id: ResponseId, step: StepId): Promise<LogPosition> {
  let at = EMPTY_LOG;
  let before: LogPosition | undefined;
  for await (const { meta, streamSeq } of readMetas(logOf(context, id), 0)) {
    if (beginsAnew(meta, at)) before = undefined;
    if (meta.step?.id === step) before ??= at;
    at = positionAfter(meta, streamSeq);
  }
  return before ?? at;
}

async function endPosition(target: LogTarget): Promise<LogPosition> {
  return positionOf(await readEnd(target));
}

function positionOf(end: LogEnd | undefined): LogPosition {
  return end ? positionAfter(end.meta, end.streamSeq) : EMPTY_LOG;
}

/** A response's log, as this process writes and reads it. */
export function logOf(context: OrchestratorContext, id: ResponseId): LogTarget {
  return { bus: context.bus, partition: partitionOf(id, context.partitions), id };
}
