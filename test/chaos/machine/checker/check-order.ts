/** I1 and I2 of any run of frames, a log's or a client's. */
import type { FaultRecord } from '../record/index.ts';
import { type Frame, isTerminal } from './frame.ts';

/**
 * What is wrong with the numbers (I1), if anything. They run on from `after` without a gap; they may jump forward where
 * `losses` has a fault that began before the frame came.
 */
export function brokenOrder(
  frames: readonly Frame[],
  after: number,
  losses: readonly FaultRecord[],
): string | undefined {
  let last = after;
  for (const frame of frames) {
    if (Number.isNaN(frame.number)) return `after ${last} comes a frame without a number`;
    if (frame.number === last) return `event ${last} comes twice`;
    if (frame.number < last) return `event ${frame.number} comes after ${last}`;
    if (frame.number > last + 1 && !losses.some((loss) => loss.from <= frame.at)) {
      return `after ${last} comes ${frame.number}, and no log had been lost`;
    }
    last = frame.number;
  }
  return undefined;
}

/** What is wrong with the end (I2), if anything; `ended` says whether there has to be one. */
export function brokenEnd(frames: readonly Frame[], ended: boolean): string | undefined {
  const terminal = frames.findIndex(isTerminal);
  if (terminal === -1) return ended ? 'there is no terminal event' : undefined;
  const next = frames[terminal + 1];
  if (!next) return undefined;
  const [end] = frames.slice(terminal, terminal + 1);
  return `${next.type} (${next.number}) follows ${end?.type} (${end?.number})`;
}
