/** The stream of a response whose log is gone: projected from its chain. Pure. */
import { project } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import { encodeFrame } from '@tailrace/log';
import { TERMINAL_EVENTS } from '@tailrace/protocol';

/**
 * The frames of a response that has ended, for a client under whose eyes its log was lost: it begins anew, with numbers
 * beyond all that the client can have seen.
 */
export function replayAnew({ record, chain }: StoredResponse, after: number): string {
  const first = Math.max(record.nextEvent, after + 1);
  return project(record, chain, 0, { replay: true })
    .map((event, index) => encodeFrame(event, first + index))
    .join('');
}

/**
 * The frames after event `after` of a response that has ended. Items come whole, so there are fewer events than there
 * were; the terminal event keeps the number it had, and whoever has not seen it gets it.
 */
export function replayFrames({ record, chain }: StoredResponse, after: number): string {
  return project(record, chain, 0, { replay: true })
    .map((event, index) => ({ event, number: TERMINAL_EVENTS.has(event.type) ? record.nextEvent - 1 : index }))
    .filter(({ number }) => number > after)
    .map(({ event, number }) => encodeFrame(event, number))
    .join('');
}
