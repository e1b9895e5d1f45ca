/** May a call begin that makes no response? Those that do are admitted as they are created. */
import type { RegisteredKey } from '@tailrace/registry';
import type { GatewayContext } from './context.ts';
import { rateLimitHeaders } from './rate-limit-headers.ts';

/** A call that may begin. */
export interface Admission {
  /** What its answer tells of the limits. */
  headers: Record<string, string>;
  /** The call's id when its end has to be told, by {@link release}; null when nothing waits for it. */
  leaseId: string | null;
}

type Asking = Pick<GatewayContext, 'limits' | 'orchestrator'>;

/**
 * Counts a call that is relayed, and holds its place among those under way until it is released or its result is
 * recorded. A key without limits is not asked about.
 * @param call.id A UUID; what the call's result is told by.
 * @throws LimitReached
 * @throws ApiError `unavailable`
 */
export async function admit(
  context: Asking,
  key: RegisteredKey,
  call: { id: string; model: string },
): Promise<Admission> {
  return ask(context, key, { ...call, lease: true });
}

/** Counts a request that is over when it is answered. Resolves with what its answer tells of the limits. Throws as {@link admit}. */
export async function countRequest(
  context: Asking,
  key: RegisteredKey,
  call: { id: string; model: string },
): Promise<Record<string, string>> {
  return (await ask(context, key, { ...call, lease: false })).headers;
}

/** The gateway has no more to do with a call: whatever became of it, another may begin. May be told again. */
export function release(context: Pick<GatewayContext, 'orchestrator'>, { leaseId }: Admission): void {
  if (leaseId !== null) context.orchestrator.release(leaseId);
}

async function ask(
  { limits, orchestrator }: Asking,
  key: RegisteredKey,
  call: { id: string; model: string; lease: boolean },
): Promise<Admission> {
  const scopes = limits.of(key);
  if (scopes.length === 0) return { headers: {}, leaseId: null };
  limits.check(key);
  const { leased, rateLimit } = await limits.ask(key, () => orchestrator.admit({ ...call, limits: scopes }));
  return { headers: rateLimitHeaders(rateLimit), leaseId: leased ? call.id : null };
}
