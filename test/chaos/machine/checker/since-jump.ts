import type { Frame } from './frame.ts';
import type { Subject } from './subject.ts';

/**
 * The part of a stream that can be folded by itself: all of it, or what came after the numbers last jumped when a log has
 * been lost, which may be a new beginning. It may lack its beginning. Undefined when nothing jumped then: a client may have been
 * sent one version after the other; in the stored log itself there is one.
 */
export function wholeOf(
  { losses, logFrames }: Pick<Subject, 'losses' | 'logFrames'>,
  frames: readonly Frame[],
): readonly Frame[] | undefined {
  const last = frames.at(-1);
  if (!last || !losses.some((loss) => loss.from <= last.at)) return frames;
  const jump = frames.findLastIndex(({ number }, index) => number !== (frames[index - 1]?.number ?? -1) + 1);
  if (jump !== -1) return frames.slice(jump);
  return frames === logFrames ? frames : undefined;
}
