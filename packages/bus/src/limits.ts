/** How much a key may use, on its way between the services. */
import { ApiError, type ErrorInfo } from '@tailrace/protocol';
import type { Asking } from './commands.ts';

/** What limits a request: a key, or a group that the key is in. Null: as much as comes. */
export interface ScopeLimits {
  /** `key:<name>` or `group:<name>`. */
  scope: string;
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  /** Responses and relayed calls under way. */
  concurrency: number | null;
}

/** Where a limit by the minute stands. */
export interface RateState {
  limit: number;
  /** Whole units that may be taken at once. */
  remaining: number;
  /** Milliseconds until as much may be taken as if nothing had been. */
  resetMs: number;
}

/** Where a request's limits stand: of several the one that is nearest to its end. Null where nothing is limited. */
export interface RateLimit {
  requests: RateState | null;
  tokens: RateState | null;
}

/** A refusal as it is told: see {@link LimitReached}. */
export interface LimitRefusal {
  /** What was reached, as people read it. */
  rule: string;
  rateLimit: RateLimit;
  /** Milliseconds until the same request would pass, if nobody else asks; null when nobody can tell. */
  waitMs: number | null;
}

/** `rate_limit_exceeded`, and where the limits stand. */
export class LimitReached extends ApiError {
  readonly refusal: LimitRefusal;

  constructor(refusal: LimitRefusal) {
    const seconds = secondsOf(refusal.waitMs);
    super('rate_limit_exceeded', { rule: refusal.rule, seconds }, { retryAfter: seconds });
    this.name = 'LimitReached';
    this.refusal = refusal;
  }
}

/** Whole seconds to wait, as `Retry-After` wants them: at least one. */
function secondsOf(waitMs: number | null): number {
  return Math.max(1, Math.ceil((waitMs ?? 0) / 1_000));
}

/** `tr.ask.admit`: gateway to orchestrator. May a call begin that is no response? Asked once; what is not answered was not told. */
export interface AdmitQuestion extends Asking {
  /** The call's own id. */
  id: string;
  model: string;
  limits: ScopeLimits[];
  /** Whether it counts as under way, and will be told to be over. */
  lease: boolean;
}

/** The answer to an {@link AdmitQuestion}. */
export type AdmitAnswer =
  /** `leased`: its end has to be told, by its result or by a release. */
  | { admitted: true; leased: boolean; rateLimit: RateLimit }
  | { admitted: false; refusal: LimitRefusal }
  /** It was not looked at, and nothing was counted. */
  | { admitted: false; error: ErrorInfo };

/** `tr.ctl.release`: a gateway has no more to do with a call. What it has used is charged by its result, then or later. */
export interface Release {
  id: string;
}
