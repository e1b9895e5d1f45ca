/** The stream of a response whose log is gone: projected from its chain. Pure. */
import { project } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import { encodeFrame } from '@tailrace/log';
import { TERMINAL_EVENTS } from '@tailrace/protocol';

/** Beyond the number of any event that can have been published and not been recorded before its log was lost. */
const LOST_LOG_GAP = 1_000_000;

/**
 * The frames after event `after` of a response that has ended, for a client under whose eyes its log was lost: it begins
 * anew, with numbers beyond all that anybody can have seen, and the same ones each time.
 */
export function replayAnew({ record, chain }: StoredResponse, after: number): string {
  const first = record.nextEvent + LOST_LOG_GAP;
  return project(record, chain, 0, { replay: true })
    .map((event, index) => ({ event, number: first + index }))
    .filter(({ number }) => number > after)
    .map(({ event, number }) => encodeFrame(event, number))
    .join('');
}

/**
 * The frames after event `after` of a response that has ended. Items come whole, so there are fewer events than there
 * were; the terminal event keeps the number it had, and whoever has not seen it gets it. Numbers beyond it are those of a
 * log that was lost, or of {@link replayAnew}.
 */
export function replayFrames(stored: StoredResponse, after: number): string {
  const { record, chain } = stored;
  if (after >= record.nextEvent) return replayAnew(stored, after);
  return project(record, chain, 0, { replay: true })
    .map((event, index) => ({ event, number: TERMINAL_EVENTS.has(event.type) ? record.nextEvent - 1 : index }))
    .filter(({ number }) => number > after)
    .map(({ event, number }) => encodeFrame(event, number))
    .join('');
}
