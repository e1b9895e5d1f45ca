/** Somebody who knows the id of a response that is not theirs. */
import type { ForeignAttempt } from '../record/index.ts';
import { epochMs, sleep } from './clock.ts';
import type { FollowedResponse } from './followed-response.ts';
import { ask, ConnectionFailed, type GatewayRequest } from './gateway-request.ts';
import type { World } from './world.ts';

/** Tries everything that an owner can do, once; what is answered is noted, and judged later. */
export async function visitAsStranger(
  world: World,
  response: FollowedResponse,
  id: string,
  afterMs: number,
): Promise<void> {
  await sleep(afterMs, world.signal);
  const path = `/v1/responses/${id}`;
  const tries: readonly (readonly [GatewayRequest['method'], string])[] = [
    ['GET', path],
    ['GET', `${path}?stream=true`],
    ['GET', `${path}/input_items`],
    ['GET', `${path}/steps`],
    ['POST', `${path}/cancel`],
    ['DELETE', path],
  ];
  const { gateways, strangerKey } = world;
  for (const [method, tried] of tries) {
    const gateway = gateways[response.plan.random.integer(0, gateways.length - 1)] ?? '';
    const headers = { authorization: `Bearer ${strangerKey}` };
    const at = epochMs();
    const status = await statusOf(world, gateway, { method, path: tried, headers });
    const attempt: ForeignAttempt = { at, method, path: tried, status };
    response.record.foreign.push(attempt);
  }
}

async function statusOf(world: World, gateway: string, asks: GatewayRequest): Promise<number | null> {
  try {
    const answer = await ask(gateway, asks, world);
    answer.body.destroy();
    return answer.status;
  } catch (error) {
    if (error instanceof ConnectionFailed) return null;
    throw error;
  }
}
