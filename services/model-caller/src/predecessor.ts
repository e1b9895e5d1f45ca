/** What earlier attempts at a model step have left in the log. */
import type { LogPosition } from '@tailrace/bus';
import { decodeFrames, Fenced, type LogTarget, positionAfter, readEnd, readLog } from '@tailrace/log';
import { foldItems, type ModelItem, type ResponseEvent, type StepId } from '@tailrace/protocol';

/** See the file's head. */
export interface Predecessor {
  /** Where the log ends now. */
  end: LogPosition;
  /** What clients have seen of the step. */
  published: ModelItem[];
  /** The latest attempt that has written anything; 0 for none. */
  attempt: number;
  /** There when an attempt came to its end and only its result was lost. */
  seal: string | null;
}

/**
 * Reads the log after the position at which the step began, up to its seal.
 * @throws Fenced when the log has gone on without the step, or has been purged.
 */
export async function readPredecessor(
  target: LogTarget,
  from: LogPosition,
  step: StepId,
  firstIndex: number,
): Promise<Predecessor> {
  let end = from;
  let seal: string | null = null;
  let attempt = 0;
  const events: ResponseEvent[] = [];
  for await (const message of readLog(target, from.streamSeq)) {
    // Without a seal nobody but the step's own attempts goes on: this delivery is an old one.
    if (message.meta.step?.id !== step) throw new Fenced(target.id);
    events.push(...decodeFrames(message.bytes));
    end = positionAfter(message.meta, message.streamSeq);
    seal = message.meta.seal;
    attempt = Math.max(attempt, message.meta.step.attempt);
    // The step is done; what follows is not its own.
    if (seal !== null) break;
  }
  // What the step was to follow is gone: the response has been deleted, and nobody can append where it was to.
  if (attempt === 0 && from.streamSeq > 0 && (await readEnd(target)) === undefined) throw new Fenced(target.id);
  const published = foldItems(events, firstIndex).map((item) => {
    if (item.type === 'function_call_output') throw new Error(`step ${step} wrote the output of a call`);
    return item;
  });
  return { end, published, attempt, seal };
}
