/** What earlier attempts at a model step have left in the log. */
import type { LogPosition } from '@tailrace/bus';
import { Fenced, type LogMeta, LogShares, type LogTarget, readEnd, type Seal } from '@tailrace/log';
import { foldItems, type ModelItem, type StepId } from '@tailrace/protocol';

/** See the file's head. */
export interface Predecessor {
  /** Where the log ends now; of a step that has come to its end, where that is. */
  end: LogPosition;
  /** What clients have seen of the step. */
  published: ModelItem[];
  /** How many events that took. */
  events: number;
  /** The last message of the latest attempt that has written anything; null for none. */
  latest: LogMeta | null;
  /** There when an attempt came to its end and only its result was lost. */
  seal: Seal | null;
}

/**
 * Reads the log after the position at which the step began. In a log that is `shared` others write meanwhile.
 * @throws Fenced when the log has gone on without the step, though nobody shares it, or has been purged.
 */
export async function readPredecessor(
  target: LogTarget,
  from: LogPosition,
  step: StepId,
  { firstIndex, shared }: { firstIndex: number; shared: boolean },
): Promise<Predecessor> {
  const shares = new LogShares(target, from, [step]);
  await shares.readOn();
  const { events, latest, seal, mixed } = shares.of(step);
  // Without a seal nobody but the step's own attempts goes on: this delivery is an old one.
  if (mixed && !shared) throw new Fenced(target.id, shares.last);
  if (seal === null && shares.last !== null && shares.last.ended !== null) throw new Fenced(target.id, shares.last);
  // What the step was to follow is gone: the response has been deleted, and nobody can append where it was to.
  if (latest === null && from.streamSeq > 0 && (await readEnd(target)) === undefined) throw new Fenced(target.id);
  return {
    end: seal?.end ?? shares.end,
    published: foldItems(events, firstIndex),
    events: events.length,
    latest,
    seal: seal?.said ?? null,
  };
}
