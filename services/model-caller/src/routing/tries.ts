/** The tries of one call: who is asked next, when, and when it is enough. Pure: time and chance are given. */
import type { UpstreamFailure } from '../upstream-failure.ts';
import type { Candidate, Upstreams } from './upstreams.ts';

/** How often, and how patiently, the upstreams of a call are asked. */
export interface RetryPolicy {
  /** How often each upstream is asked before the call fails. */
  attempts: number;
  /** Milliseconds before the first retry; doubled each time. */
  backoffMs: number;
  /** The longest wait, also for an upstream's `Retry-After`, in milliseconds. */
  maxBackoffMs: number;
}

/** What follows a failure: at that time one of the `open` ones is asked; null when it is enough. */
export type NextTry = { at: number } | null;

/**
 * Whether output of a call has been told on: `no`, then another upstream may be asked; `same`: only the one that it came from,
 * which begins anew; `over`: nobody.
 */
export type Told = 'no' | 'same' | 'over';

/** A try that has failed. */
export interface Failed {
  candidate: Candidate;
  failure: UpstreamFailure;
  told: Told;
  /** Milliseconds since the epoch. */
  now: number;
  /** From 0 to 1. */
  random: number;
}

/** See the file's head. */
export class Tries {
  readonly #upstreams: Upstreams;
  readonly #policy: RetryPolicy;
  /** Those that the call may still ask. */
  #left: Candidate[];
  /** Those that have been asked in this round. */
  readonly #asked = new Set<Candidate>();
  readonly #notBefore = new Map<Candidate, number>();
  #round = 1;

  constructor(upstreams: Upstreams, policy: RetryPolicy) {
    this.#upstreams = upstreams;
    this.#policy = policy;
    this.#left = [...upstreams.candidates];
  }

  /** Those that may be asked at a time. */
  open(now: number): Candidate[] {
    return this.#left.filter((each) => !this.#asked.has(each) && (this.#notBefore.get(each) ?? 0) <= now);
  }

  /** Counts a failure. */
  failed({ candidate, failure, told, now, random }: Failed): NextTry {
    const { attempts, maxBackoffMs } = this.#policy;
    this.#asked.add(candidate);
    const waitMs = this.#wait(failure, random);
    const again = failure.retryable && waitMs <= maxBackoffMs;
    if (again) this.#notBefore.set(candidate, now + waitMs);
    else this.#left = this.#left.filter((each) => each !== candidate);
    if (told === 'over') return null;
    // What clients have seen is gone on from; and what is wrong with the request is wrong everywhere.
    if (told === 'same' || !this.#goesElsewhere(failure)) this.#left = again ? [candidate] : [];
    if (this.open(now).length > 0) return { at: now };
    if (this.#round >= attempts || this.#left.length === 0) return null;
    this.#round += 1;
    this.#asked.clear();
    return { at: Math.max(now, Math.min(...this.#left.map((each) => this.#notBefore.get(each) ?? 0))) };
  }

  /** Another upstream may do better. */
  #goesElsewhere({ status, error }: UpstreamFailure): boolean {
    if (status !== null && status !== 200) return this.#upstreams.failoverStatuses.has(status);
    return error.code !== 'upstream_too_large';
  }

  #wait({ retryAfterMs }: UpstreamFailure, random: number): number {
    const { backoffMs, maxBackoffMs } = this.#policy;
    const backoff = Math.min(maxBackoffMs, backoffMs * 2 ** (this.#round - 1) * (0.5 + random / 2));
    if (retryAfterMs === null || retryAfterMs > maxBackoffMs) return retryAfterMs ?? backoff;
    // Not all that were told the same time come back at once.
    return Math.min(maxBackoffMs, Math.max(backoff, retryAfterMs + backoffMs * random));
  }
}
