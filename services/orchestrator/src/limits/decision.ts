/** Whether a request may begin, given what everything that limits it has left. Pure. */
import type { LimitRefusal, RateLimit, RateState, ScopeLimits } from '@tailrace/bus';
import { type Bucket, charged, stateOf, waitFor } from './bucket.ts';

/** How much of a scope's limits is used. */
export interface ScopeUse {
  limits: ScopeLimits;
  requests: Bucket;
  tokens: Bucket;
  /** Responses and calls under way. */
  underWay: number;
}

/** What is decided: with the scopes as they are after a request that is admitted. */
export type Decision =
  | { admitted: true; uses: ScopeUse[]; rateLimit: RateLimit }
  | { admitted: false; refusal: LimitRefusal };

/**
 * A request is one request of each scope, and begins where tokens are left: how many it takes nobody knows yet. Of
 * several limits that were reached, the one that lasts longest is told.
 */
export function decide(uses: readonly ScopeUse[], now: number): Decision {
  const reached = uses.flatMap((use) => reachedLimits(use, now));
  const [first, ...rest] = reached;
  if (first) {
    const longest = rest.reduce((a, b) => ((b.waitMs ?? 0) > (a.waitMs ?? 0) ? b : a), first);
    return { admitted: false, refusal: { ...longest, rateLimit: rateLimitOf(uses, now) } };
  }
  const after = uses.map((use) => ({ ...use, requests: oneMore(use, now), underWay: use.underWay + 1 }));
  return { admitted: true, uses: after, rateLimit: rateLimitOf(after, now) };
}

/** Where the limits stand. */
export function rateLimitOf(uses: readonly ScopeUse[], now: number): RateLimit {
  const requests = uses.flatMap(({ limits: { requestsPerMinute: limit }, requests }) =>
    limit === null ? [] : [stateOf(requests, limit, now)],
  );
  const tokens = uses.flatMap(({ limits: { tokensPerMinute: limit }, tokens }) =>
    limit === null ? [] : [stateOf(tokens, limit, now)],
  );
  return { requests: nearest(requests), tokens: nearest(tokens) };
}

function nearest(states: readonly RateState[]): RateState | null {
  return states.reduce<RateState | null>(
    (found, state) => (found === null || state.remaining < found.remaining ? state : found),
    null,
  );
}

function oneMore({ limits, requests }: ScopeUse, now: number): Bucket {
  return limits.requestsPerMinute === null ? requests : charged(requests, limits.requestsPerMinute, 1, now);
}

type Reached = Pick<LimitRefusal, 'rule' | 'waitMs'>;

function reachedLimits({ limits, requests, tokens, underWay }: ScopeUse, now: number): Reached[] {
  const { scope, requestsPerMinute, tokensPerMinute, concurrency } = limits;
  const reached: Reached[] = [];
  if (requestsPerMinute !== null) {
    const waitMs = waitFor(requests, requestsPerMinute, 1, now);
    if (waitMs > 0) reached.push({ waitMs, rule: `${whose(scope)} may make ${requestsPerMinute} requests a minute` });
  }
  if (tokensPerMinute !== null) {
    const waitMs = waitFor(tokens, tokensPerMinute, 1, now);
    if (waitMs > 0) reached.push({ waitMs, rule: `${whose(scope)} may use ${tokensPerMinute} tokens a minute` });
  }
  if (concurrency !== null && underWay >= concurrency) {
    reached.push({ waitMs: null, rule: `${whose(scope)} may have ${concurrency} requests under way at once` });
  }
  return reached;
}

function whose(scope: string): string {
  const group = scope.match(/^group:(.*)$/s)?.[1];
  return group === undefined ? 'this key' : `all keys of the group '${group}' together`;
}
