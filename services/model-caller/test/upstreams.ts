import { newId } from '@tailrace/protocol';
import type { Announce } from '@tailrace/worker';
import { DIALECTS } from '../src/dialect.ts';
import { Router } from '../src/routing/router.ts';
import type { Candidate, Upstreams } from '../src/routing/upstreams.ts';
import { UpstreamClient } from '../src/upstream.ts';

/** An upstream at a URL, patient and without a limit. */
export function candidate(baseUrl: string, fields: Partial<Candidate> = {}): Candidate {
  return {
    id: baseUrl,
    target: { baseUrl, apiKey: null, model: 'up', dialect: DIALECTS.chat },
    timeouts: { connectMs: 5_000, firstTokenMs: 20_000, idleMs: 20_000, totalMs: 60_000 },
    priority: 0,
    weight: 1,
    concurrency: null,
    price: null,
    ...fields,
  };
}

/** The upstreams of a model. */
export function upstreams(...candidates: Candidate[]): Upstreams {
  const failoverStatuses = new Set([401, 408, 429, 500, 502, 503, 504]);
  return { model: 'm', candidates, failoverStatuses };
}

/** A router that leaves nobody alone for long. */
export function testRouter(fields: Partial<ConstructorParameters<typeof Router>[0]> = {}): Router {
  return new Router({ failures: 3, restMs: 50, maxRestMs: 1_000, queueMs: 5_000, ...fields });
}

export function testClient(): UpstreamClient {
  return new UpstreamClient({ maxBytes: 1_000_000, connections: 4 });
}

/** Nobody hears of the calls. */
export const unheard: Announce = async () => ({ id: newId(Date.now()), startedAt: Date.now() });
