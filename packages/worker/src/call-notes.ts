/** Notes of calls that are about to be made: what is left of a call whose worker is killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Bus,
  type CallMark,
  type CallNote,
  type CallTarget,
  callSubject,
  encodeMessage,
  PublishRejected,
  PublishUncertain,
  type Work,
} from '@tailrace/bus';
import { newId } from '@tailrace/protocol';

/**
 * Says that a call is made now. Resolves when the note has left the process, which takes no round trip: await it right
 * before the request is sent, so that no call is made without its note.
 */
export type Announce = (target: CallTarget) => Promise<CallMark>;

/** How the calls of an attempt at a piece of work are announced. Notes that JetStream does not take are sent again until `signal` is aborted. */
export function announcer(
  bus: Bus,
  work: Work,
  attempt: number,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Announce {
  const { responseId } = work;
  const whose: Pick<CallNote, 'stepId' | 'by'> =
    work.kind === 'relay'
      ? { stepId: null, by: { owner: work.owner, keyName: work.keyName } }
      : { stepId: work.stepId, by: null };
  let calls = 0;
  return async (target) => {
    const startedAt = Date.now();
    const mark: CallMark = { id: newId(startedAt), startedAt };
    calls += 1;
    const note: CallNote = { ...mark, ...whose, responseId, attempt, call: calls, target };
    // The client writes to its socket in a microtask of its own, which is queued before the one that resolves this.
    leave(bus, note, signal).catch((error: unknown) => {
      if (!signal.aborted) onError(error);
    });
    return mark;
  };
}

const RETRY_MS = { first: 50, most: 2_000 };

/** A note that is stored twice does no harm: its call has one row. */
async function leave(bus: Bus, note: CallNote, signal: AbortSignal): Promise<void> {
  const bytes = encodeMessage(note);
  for (let wait = RETRY_MS.first; ; wait = Math.min(wait * 2, RETRY_MS.most)) {
    try {
      await bus.publisher.publish(callSubject(note.target.kind), bytes);
      return;
    } catch (error) {
      if (!(error instanceof PublishRejected) && !(error instanceof PublishUncertain)) throw error;
    }
    await sleep(wait, undefined, { signal });
  }
}
