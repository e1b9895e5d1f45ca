/** One call through the upstreams of a model: asked until one answers, or no use in asking. */
import { setTimeout as sleep } from 'node:timers/promises';
import { UpstreamFailure } from '../upstream-failure.ts';
import type { Verdict } from './health.ts';
import type { Router } from './router.ts';
import { type RetryPolicy, type Told, Tries } from './tries.ts';
import type { Candidate, Upstreams } from './upstreams.ts';

/** A call that is to be made. */
export interface RoutedCall {
  router: Router;
  upstreams: Upstreams;
  policy: RetryPolicy;
  signal: AbortSignal;
  told(): Told;
  /** Another try follows. */
  again(): void;
}

/**
 * What `ask` comes to with one of the upstreams.
 * @throws UpstreamFailure the last one, without the upstream's key; ApiError `upstream_busy`; what else `ask` throws, and
 * what aborts the signal.
 */
export async function route<T>(call: RoutedCall, ask: (candidate: Candidate) => Promise<T>): Promise<T> {
  const { router, upstreams, policy, signal } = call;
  const tries = new Tries(upstreams, policy);
  let now = Date.now();
  for (;;) {
    const lease = await router.take(tries.open(now), signal);
    const { candidate } = lease;
    let verdict: Verdict = { outcome: 'unknown' };
    try {
      const answer = await ask(candidate);
      verdict = { outcome: 'well' };
      return answer;
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      const failure = error.without(candidate.target.apiKey);
      verdict = verdictOf(failure, upstreams);
      lease.end(verdict);
      now = Date.now();
      const next = tries.failed({ candidate, failure, told: call.told(), now, random: Math.random() });
      if (next === null) throw failure;
      if (next.at > now) await sleep(next.at - now, undefined, { signal });
      // Timers may be a little early.
      now = Math.max(next.at, Date.now());
      call.again();
    } finally {
      lease.end(verdict);
    }
  }
}

/** What an upstream refuses because of the request tells nothing of its health. */
function verdictOf(failure: UpstreamFailure, { failoverStatuses }: Upstreams): Verdict {
  const { status, retryable, retryAfterMs } = failure;
  const refused = status !== null && status !== 200 && !retryable && !failoverStatuses.has(status);
  return refused ? { outcome: 'unknown' } : { outcome: 'failed', retryAfterMs };
}
