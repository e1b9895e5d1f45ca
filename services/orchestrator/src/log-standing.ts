/** What a log holds of the model steps of its response, and what it should. */

import type { LogPosition } from '@tailrace/bus';
import { type ModelStep, project, type Step } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import {
  beginsAnew,
  CLOSING_ATTEMPT,
  EMPTY_LOG,
  LogReadBroken,
  type LogTarget,
  positionAfter,
  readMetas,
} from '@tailrace/log';
import type { StepId } from '@tailrace/protocol';

/** See the file's head. */
export interface LogStanding {
  /** The steps that nobody writes any more, as far as the log says: they have come to their end, or it was closed to them. */
  closed: ReadonlySet<StepId>;
  /** The stream sequence of the message with which the log began anew the last time; 0 for none. */
  begunAnewAt: number;
}

/**
 * Reads the headers of a whole log, at least up to stream sequence `upTo`.
 * @throws LogReadBroken when the copy that was asked lags behind that.
 */
export async function readStanding(target: LogTarget, upTo: number): Promise<LogStanding> {
  let at = EMPTY_LOG;
  let begunAnewAt = 0;
  const closed = new Set<StepId>();
  for await (const { meta, streamSeq } of readMetas(target, 0)) {
    if (beginsAnew(meta, at)) {
      closed.clear();
      begunAnewAt = streamSeq;
    }
    if (meta.step && (meta.seal !== null || meta.step.attempt === CLOSING_ATTEMPT)) closed.add(meta.step.id);
    at = positionAfter(meta, streamSeq);
  }
  if (at.streamSeq < upTo) throw new LogReadBroken(target);
  return { closed, begunAnewAt };
}

/**
 * Whether a log that ends at `at` has lost its tail, as far as the chain can tell: a model step is recorded only after the log
 * has been closed to it, so one that the log does not know to be closed had been there. What the log lacks of the chain's own
 * events may just not have been appended.
 */
export async function isCutShort(
  target: LogTarget,
  { record, chain }: StoredResponse,
  at: LogPosition,
): Promise<boolean> {
  const recorded = chain.filter((step): step is ModelStep => isModelCall(step) && (step.endedEntry ?? 0) > at.cursor);
  if (recorded.length === 0) return false;
  // The log of a response has every event that the chain counts, and those of steps that are open. This spares the reading.
  if (at.nextEvent + project(record, chain, at.cursor).length >= record.nextEvent) return false;
  const { closed } = await readStanding(target, at.streamSeq);
  return recorded.some(({ id }) => !closed.has(id));
}

/** Whether a step is a model's. */
export function isModelCall(step: Step): step is ModelStep {
  return step.kind === 'model_call';
}
