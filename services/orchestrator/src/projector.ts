/** Brings a log up to what its chain says. */
import { randomUUID } from 'node:crypto';
import { type LogPosition, logStream, partitionOf } from '@tailrace/bus';
import { hasEnded, project, type ResponseRecord } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import {
  append,
  EMPTY_LOG,
  encodeFrames,
  Fenced,
  type LogTarget,
  positionAfter,
  readEnd,
  readMetas,
} from '@tailrace/log';
import type { ResponseId, StepId } from '@tailrace/protocol';
import { sql } from 'kysely';
import type { OrchestratorContext } from './context.ts';

/**
 * How far the event numbers jump when JetStream has lost a log: beyond anything that can have been published since the
 * chain was last written (I1: they never go back or repeat).
 */
const LOST_LOG_GAP = 1_000_000;

/**
 * Appends every event that the chain has and the log has not, in one fenced publish; whoever else does the same at the
 * same time only makes this one look again. `known` is where the log is supposed to end. Resolves with where it does.
 */
export async function bringLogUpToDate(
  context: OrchestratorContext,
  stored: StoredResponse,
  known: LogPosition | undefined,
  signal: AbortSignal,
): Promise<LogPosition> {
  const { record, chain } = stored;
  const target = logOf(context, record.id);
  let at = known ?? (await endPosition(target));
  for (;;) {
    if (at.cursor >= record.entries) return at;
    const lost = at.streamSeq === 0 && at !== known && (await wasLost(context, record));
    const events = project(record, chain, at.cursor, { replay: lost });
    if (events.length === 0) return { ...at, cursor: record.entries };
    const first = lost ? await jump(context, record.id, events.length) : at.nextEvent;
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
      at = await endPosition(target);
    }
  }
}

/**
 * Whether a log that is empty has been lost, and not just not been begun: what follows the first entry is never published
 * before it, and a response that is older than the stream had its log in another one.
 */
async function wasLost(context: OrchestratorContext, record: ResponseRecord): Promise<boolean> {
  if (record.entries > 1) return true;
  const { created } = await context.bus.jsm.streams.info(logStream(partitionOf(record.id, context.partitions)));
  return record.createdAt < Date.parse(created);
}

/** Appends what the log of a response that has ended may still lack: its end, if a crash kept it back. */
export async function finishLog(
  context: OrchestratorContext,
  stored: StoredResponse,
  signal: AbortSignal,
): Promise<void> {
  const end = await endPosition(logOf(context, stored.record.id));
  if (end.streamSeq > 0) await bringLogUpToDate(context, stored, end, signal);
}

/**
 * Moves the numbers of a response's events on, so that `events` more can be published that nobody has seen a number of. It
 * is committed first: a log that is lost a second time does not repeat what the first recovery has published.
 */
async function jump(context: OrchestratorContext, id: ResponseId, events: number): Promise<number> {
  const { next_event } = await context.database
    .updateTable('responses')
    .set((columns) => ({ next_event: sql<number>`${columns.ref('next_event')} + ${LOST_LOG_GAP + events}` }))
    .where('id', '=', id)
    .returning('next_event')
    .executeTakeFirstOrThrow();
  return Number(next_event) - events;
}

/** Where the log stood when a model step was first handed out: before the first message that the step wrote. */
export async function positionBefore(context: OrchestratorContext, id: ResponseId, step: StepId): Promise<LogPosition> {
  let at = EMPTY_LOG;
  for await (const { meta, streamSeq } of readMetas(logOf(context, id), 0)) {
    if (meta.step?.id === step) break;
    at = positionAfter(meta, streamSeq);
  }
  return at;
}

async function endPosition(target: LogTarget): Promise<LogPosition> {
  const end = await readEnd(target);
  return end ? positionAfter(end.meta, end.streamSeq) : EMPTY_LOG;
}

/** A response's log, as this process writes and reads it. */
export function logOf(context: OrchestratorContext, id: ResponseId): LogTarget {
  return { bus: context.bus, partition: partitionOf(id, context.partitions), id };
}
