/** How far a run is, on one line of a terminal, or now and then on a line of its own elsewhere. */
import type { Progress } from './run.ts';

/** See the file's head. */
export interface ProgressLine {
  show(progress: Progress): void;
  /** Prints a line of its own. */
  line(text: string): void;
  /** Clears the line; nothing is shown any more. */
  end(): void;
}

const PLAIN_EVERY_MS = 10_000;
const CLEAR = '\r\u001b[K';

/** Shows progress on such a stream. */
export function progressLine(stream: NodeJS.WriteStream): ProgressLine {
  const began = performance.now();
  let shown = '';
  let lastPlain = Number.NEGATIVE_INFINITY;
  let hasEnded = false;
  return {
    show(progress) {
      if (hasEnded) return;
      const text = textOf(progress);
      if (stream.isTTY) {
        shown = text;
        stream.write(`${CLEAR}${text}`);
      } else if (performance.now() - lastPlain >= PLAIN_EVERY_MS) {
        lastPlain = performance.now();
        stream.write(`${text}\n`);
      }
    },
    line(text) {
      const seconds = ((performance.now() - began) / 1_000).toFixed(1).padStart(6);
      stream.write(`${shown === '' ? '' : CLEAR}${seconds} s  ${text}\n${shown}`);
    },
    end() {
      if (shown !== '') stream.write(CLEAR);
      shown = '';
      hasEnded = true;
    },
  };
}

function textOf({ begun, finished, responses, faults, elapsedMs }: Progress): string {
  return `${finished} of ${responses} responses, ${begun - finished} under way, ${faults} faults, ${(elapsedMs / 1_000).toFixed(0)} s`;
}
