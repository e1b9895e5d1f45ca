/** Brings a log up to what its chain says. */
import { randomUUID } from 'node:crypto';
import { type LogPosition, partitionOf } from '@tailrace/bus';
import { hasEnded, project } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import {
  append,
  EMPTY_LOG,
  encodeFrames,
  Fenced,
  type LogTarget,
  positionAfter,
  readEnd,
  readLog,
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
 * same time only makes this one look again. `known` is where the log is supposed to end; `begun` says that there must have
 * been one: then an empty log is one that JetStream has lost. Resolves with where the log ends.
 */
export async function bringLogUpToDate(
  context: OrchestratorContext,
  stored: StoredResponse,
  known: LogPosition | undefined,
  signal: AbortSignal,
  options: { begun: boolean } = { begun: stored.record.entries > 1 },
): Promise<LogPosition> {
  const { record, chain } = stored;
  const target = logOf(context, record.id);
  let at = known ?? (await endPosition(target));
  for (;;) {
    if (at.cursor >= record.entries) return at;
    const lost = at.streamSeq === 0 && options.begun;
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
  for await (const message of readLog(logOf(context, id), 0)) {
    if (message.meta.step?.id === step) break;
    at = positionAfter(message.meta, message.streamSeq);
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
