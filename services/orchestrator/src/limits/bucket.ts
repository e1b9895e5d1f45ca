/**
 * A limit by the minute. What is used drains away evenly, a whole limit in a minute; there is room for one limit. Pure:
 * times are passed in, in milliseconds.
 */
import type { RateState } from '@tailrace/bus';

/** What was used at a time. More than the limit when it became known only afterwards. */
export interface Bucket {
  used: number;
  at: number;
}

const MINUTE = 60_000;
/** What is lost in calculating with fractions is not held against anybody. */
const TOLERANCE = 1e-6;

/** The bucket as it is at a time; one from before it was last looked at changes nothing. */
export function drained({ used, at }: Bucket, perMinute: number, now: number): Bucket {
  if (now <= at) return { used, at };
  return { used: Math.max(0, used - ((now - at) * perMinute) / MINUTE), at: now };
}

/** The bucket after `units` more were used. */
export function charged(bucket: Bucket, perMinute: number, units: number, now: number): Bucket {
  const { used, at } = drained(bucket, perMinute, now);
  return { used: used + units, at };
}

/** Milliseconds until there is room for `units`, of which there must never be more than the limit; 0 when there is now. */
export function waitFor(bucket: Bucket, perMinute: number, units: number, now: number): number {
  const missing = drained(bucket, perMinute, now).used + units - perMinute;
  return missing <= TOLERANCE ? 0 : (missing * MINUTE) / perMinute;
}

/** How the bucket is told of. */
export function stateOf(bucket: Bucket, perMinute: number, now: number): RateState {
  const { used } = drained(bucket, perMinute, now);
  return {
    limit: perMinute,
    remaining: Math.max(0, Math.floor(perMinute - used + TOLERANCE)),
    resetMs: (used * MINUTE) / perMinute,
  };
}
