import type { ErrorEnvelope } from './error-envelope.ts';
import type { Usage } from './script.ts';
import type { Delta } from './turn-plan.ts';

/** Where a turn's steps go: an event stream or one body. Nothing is called after `finish`, `fail`, `reject` or `cut`. */
export interface TurnOutput {
  add(delta: Delta): void;
  /** Sends what was added; true where the connection wants no more until it drains. */
  flush(): boolean;
  finish(reason: string, usage: Usage | null): void;
  /** An HTTP error instead of an answer; `retryAfter` in seconds. */
  reject(status: number, retryAfter: string | null, error: ErrorEnvelope): void;
  /** An error after the answer has begun. */
  fail(error: ErrorEnvelope): void;
  /** Sends what was added, then destroys the connection. */
  cut(): void;
}
