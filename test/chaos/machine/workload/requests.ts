/** The requests that a response's clients make. */
import type { GatewayRequest } from './gateway-request.ts';
import type { ResponsePlan } from './plan.ts';
import type { Target } from './retries.ts';
import type { World } from './world.ts';

/** Longer than any response takes by its script, and than the faults of a schedule last. */
const WHOLE_RESPONSE_MS = 45_000;

/**
 * The request that makes a response. With an `Idempotency-Key`, sent again, it is the same response; without one each try
 * is told apart by its marker.
 */
export function creationRequest(
  { apiKey }: World,
  { idempotencyKey, marker, request }: ResponsePlan,
  tryMarker: string,
): GatewayRequest {
  return {
    method: 'POST',
    path: '/v1/responses',
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      ...(idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey }),
    },
    body: JSON.stringify(request).replaceAll(marker, tryMarker),
  };
}

/** The marker of the next try, after so many: that of the response, or, of requests without a key, one of its own. */
export function markerOfTry({ idempotencyKey, marker }: ResponsePlan, tries: number): string {
  return idempotencyKey !== null || tries === 0 ? marker : marker.replace(/>$/, `.${tries}>`);
}

/** A request by the owner of a response. */
export function ownRequest(
  { apiKey }: World,
  method: GatewayRequest['method'],
  path: string,
  headers: Readonly<Record<string, string>> = {},
): GatewayRequest {
  return { method, path, headers: { ...headers, authorization: `Bearer ${apiKey}` } };
}

/** Where the requests of a response go. */
export function ownTarget(world: World, { creation, random }: ResponsePlan): Target {
  const { gateways, traffic, signal } = world;
  const headMs = creation === 'wait' ? WHOLE_RESPONSE_MS : world.headMs;
  return { gateways, random, traffic, headMs, signal };
}
