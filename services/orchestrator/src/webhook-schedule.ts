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
  /** When the delivery was made, in milliseconds since the epoch. */
  createdAt: number;
  /** How many attempts there have been, with this one. */
  attempts: number;
  /** The HTTP status of the answer; null when there was none. */
  status: number | null;
}

/** Where the delivery stands after it. Times are in milliseconds since the epoch. */
export type Verdict = { state: 'delivered' } | { state: 'failed' } | { state: 'pending'; nextAttemptAt: number };

const GONE = 410;
/** Pauses are up to this much longer, so that deliveries that failed together do not come back together. */
const JITTER = 0.25;

/**
 * Judges an attempt. The last one is made as the time runs out, so that a long pause before it costs none of that time.
 * @param random from 0 to 1: how much of the jitter is taken.
 */
export function judge(attempt: Attempt, policy: RetryPolicy, now: number, random: number): Verdict {
  const { status, attempts, createdAt } = attempt;
  if (status !== null && status >= 200 && status <= 299) return { state: 'delivered' };
  const deadline = createdAt + policy.forMs;
  if (status === GONE || now >= deadline) return { state: 'failed' };
  const pause = Math.min(policy.maxMs, policy.firstMs * 2 ** (attempts - 1)) * (1 + JITTER * random);
  return { state: 'pending', nextAttemptAt: Math.min(Math.round(now + pause), deadline) };
}
