/**
 * What steps have put into a log, all their attempts together. Steps in several scopes write to one log at once, so a step's
 * share is what its own messages say, wherever they stand.
 */
import type { LogPosition } from '@tailrace/bus';
import type { StepId } from '@tailrace/protocol';
import type { LogTarget } from './append.ts';
import { decodeFrames } from './frame.ts';
import { beginsAnew, CLOSING_ATTEMPT, type LogMeta, positionAfter, type Seal } from './message.ts';
import { type LogMessage, readLog } from './read.ts';
import { type StepEvent, stepEvent } from './step-event.ts';

/** One step's share. */
export interface StepShare {
  /** What the step has told, in its order; what it told as the progress of an agent, as it would have been told at the top. */
  events: StepEvent[];
  /** The last message of the latest attempt that has written anything; null for none. */
  latest: LogMeta | null;
  /** There when the step has come to its end: what its last message says of that, and where it stands. */
  seal: { said: Seal; end: LogPosition } | null;
  /** Nobody writes it any more: it has come to its end, or the log has been closed to it. */
  closed: boolean;
  /** Whether others have written since the reading began, and before the step's end. */
  mixed: boolean;
}

/** See the file's head. */
export class LogShares {
  readonly #target: LogTarget;
  readonly #shares: Map<StepId, StepShare>;
  #end: LogPosition;
  #last: LogMeta | null = null;

  /** Of these steps, from the messages after `from` on. Nothing is read yet. */
  constructor(target: LogTarget, from: LogPosition, steps: readonly StepId[]) {
    this.#target = target;
    this.#end = from;
    this.#shares = new Map(steps.map((step) => [step, noShare()]));
  }

  /** Where the log ends, as far as it has been read. */
  get end(): LogPosition {
    return this.#end;
  }

  /** The last message that has been read; null for none. */
  get last(): LogMeta | null {
    return this.#last;
  }

  /** The share of one of the steps, as far as the log has been read. */
  of(step: StepId): StepShare {
    const share = this.#shares.get(step);
    if (!share) throw new Error(`the share of step ${step} is not read`);
    return share;
  }

  /** Reads what has been appended since the last time. Where the log begins anew, nothing that stood before counts. */
  async readOn(): Promise<void> {
    for await (const message of readLog(this.#target, this.#end.streamSeq)) {
      if (beginsAnew(message.meta, this.#end))
        for (const step of this.#shares.keys()) this.#shares.set(step, noShare());
      this.#end = positionAfter(message.meta, message.streamSeq);
      this.#last = message.meta;
      for (const [step, share] of this.#shares) {
        if (message.meta.step?.id === step) take(share, message.meta.step.attempt, message, this.#end);
        else if (!share.closed) share.mixed = true;
      }
    }
  }
}

function noShare(): StepShare {
  return { events: [], latest: null, seal: null, closed: false, mixed: false };
}

function take(share: StepShare, attempt: number, { meta, bytes }: LogMessage, end: LogPosition): void {
  share.events.push(...decodeFrames(bytes).map(stepEvent));
  if (attempt >= (share.latest?.step?.attempt ?? 0)) share.latest = meta;
  if (meta.seal !== null) share.seal = { said: meta.seal, end };
  share.closed ||= meta.seal !== null || attempt === CLOSING_ATTEMPT;
}
