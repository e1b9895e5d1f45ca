import type { ServerResponse } from 'node:http';
import { errorEnvelope } from './error-envelope.ts';
import type { Fault } from './script.ts';
import type { TurnOutput } from './turn-output.ts';
import type { Step } from './turn-plan.ts';

/** What a playback reports while it runs. */
export interface PlaybackObserver {
  /** Whether a fault that was reached happens; false where it is spent. */
  happens(fault: Fault): boolean;
  /** A fault is happening, just before it shows. */
  failed(fault: Fault): void;
  /** So many content chunks were produced. */
  produced(chunks: number): void;
}

/** A turn without delays lets other connections have the loop after so many chunks. */
const burst = 512;

/**
 * Plays the steps of a turn to an output, each chunk when it is due. The schedule is absolute: a late timer does not
 * slow the stream down, all chunks that are due go out in one write. Stops reading the steps while the client does
 * not read, and for good when the connection closes.
 */
export function play(
  steps: Generator<Step, void, void>,
  output: TurnOutput,
  response: ServerResponse,
  observer: PlaybackObserver,
): void {
  let due = performance.now();
  let timer: NodeJS.Timeout | undefined;
  let held: Step | null = null;
  let closed = false;
  response.once('close', () => {
    closed = true;
    clearTimeout(timer);
  });

  function resumeWhenDrained(wait: () => void): void {
    if (output.flush()) response.once('drain', resumeLate);
    else wait();
  }

  /** The time lost to a client that did not read is not caught up. */
  function resumeLate(): void {
    due = Math.max(due, performance.now());
    run();
  }

  function run(): void {
    let chunks = 0;
    while (!closed) {
      const step: Step | null = held ?? next();
      if (step === null) break;
      if (step.kind === 'chunk') {
        if (held === null) due += step.delayMs;
        const wait = step.delayMs === 0 ? 0 : due - performance.now();
        if (wait > 0 || chunks === burst) {
          held = step;
          observer.produced(chunks);
          resumeWhenDrained(() => {
            timer = setTimeout(run, Math.ceil(wait));
          });
          return;
        }
        held = null;
        chunks += 1;
        output.add(step.delta);
      } else if (step.kind === 'finish') {
        output.finish(step.reason, step.usage);
        break;
      } else if (observer.happens(step.fault)) {
        observer.failed(step.fault);
        inflict(step.fault, output);
        break;
      }
    }
    observer.produced(chunks);
  }

  function next(): Step | null {
    const result = steps.next();
    return result.done === true ? null : result.value;
  }

  run();
}

function inflict(fault: Fault, output: TurnOutput): void {
  switch (fault.kind) {
    case 'error': {
      const message = fault.message ?? `The demo model was asked to answer with status ${fault.status}.`;
      output.reject(fault.status, fault.retryAfter, errorEnvelope(fault.status, message));
      return;
    }
    case 'stream-error':
      output.fail(errorEnvelope(500, `The demo model was asked to fail after ${fault.after} chunks.`));
      return;
    case 'cut':
      output.cut();
      return;
    case 'hang':
      if (fault.after > 0) output.flush();
  }
}
