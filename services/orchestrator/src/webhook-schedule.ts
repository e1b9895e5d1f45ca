/** What an attempt to deliver a webhook leads to. Pure. */

/** How long, and at which intervals, a delivery is tried. All in milliseconds. */
export interface RetryPolicy {
  /** The pause after the first attempt; it doubles with each further one. */
  firstMs: number;
  /** The longest pause. */
  maxMs: number;
  /** From the making of the delivery to its last attempt. */
  forMs: number;
}

/** An attempt that was made. */
export interface Attempt {
  /** How long ago the delivery was made, in milliseconds. */
  ageMs: number;
  /** How many attempts there have been, with this one. */
  attempts: number;
  /** The HTTP status of the answer; null when there was none. */
  status: number | null;
}

/** Where the delivery stands after it: it is made again after `pauseMs` milliseconds, or never. */
export type Verdict = { state: 'delivered' } | { state: 'failed' } | { state: 'pending'; pauseMs: number };

const GONE = 410;
/** Pauses are up to this much longer, so that deliveries that failed together do not come back together. */
const JITTER = 0.25;

/**
 * Judges an attempt. The last one is made as the time runs out, so that a long pause before it costs none of that time.
 * @param random from 0 to 1: how much of the jitter is taken.
 */
export function judge(attempt: Attempt, policy: RetryPolicy, random: number): Verdict {
  const { status, attempts, ageMs } = attempt;
  if (status !== null && status >= 200 && status <= 299) return { state: 'delivered' };
  const leftMs = policy.forMs - ageMs;
  if (status === GONE || leftMs <= 0) return { state: 'failed' };
  const pause = Math.min(policy.maxMs, policy.firstMs * 2 ** (attempts - 1)) * (1 + JITTER * random);
  return { state: 'pending', pauseMs: Math.min(Math.round(pause), leftMs) };
}
