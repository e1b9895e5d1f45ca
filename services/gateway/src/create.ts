/** `POST /v1/responses`: streaming, blocking, or in the background. */
import { createHash } from 'node:crypto';
import { initialResource } from '@tailrace/chain';
import { decodeFrames, type Follower } from '@tailrace/log';
import {
  ApiError,
  createResponseBody,
  idempotentResponseId,
  newId,
  type ResponseId,
  type ResponseResource,
  validate,
} from '@tailrace/protocol';
import type { RegisteredKey } from '@tailrace/registry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Acceptable, acceptRequest } from './accept.ts';
import { authenticate } from './auth.ts';
import type { GatewayContext } from './context.ts';
import { correlationOf } from './correlation.ts';
import { readResponse } from './retrieve.ts';
import { streamLog } from './sse.ts';

/** Handles the request; see the file's head. */
export async function handleCreate(
  context: GatewayContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const key = authenticate(context.registry, request);
  const registry = context.registry.current();
  if (!registry) throw new ApiError('unavailable', { reason: 'the registry has not arrived yet' });
  const body = validate(createResponseBody, request.body);
  const acceptable = acceptRequest(body, key, registry, context.maxIterations);
  const now = Date.now();
  const idempotencyKey = idempotencyKeyOf(request);
  const id = idempotencyKey === null ? newId(now) : idempotentResponseId(key.owner, idempotencyKey);
  const bodyHash = idempotencyKey === null ? null : createHash('sha256').update(JSON.stringify(body)).digest('hex');
  if (body.background && !body.stream) {
    const { existed } = await commit(context, request, { id, key, acceptable, bodyHash, now });
    if (existed) return (await readResponse(context, id, key.owner)).resource;
    return accepted(id, key, acceptable, now);
  }
  const follower = context.tails.follow(id);
  try {
    const { existed } = await commit(context, request, { id, key, acceptable, bodyHash, now });
    reply.raw.once('close', () => follower.close());
    if (!body.stream) return await result(context, follower, id, key.owner, !existed);
    await streamLog(context, reply, { id, follower, fresh: !existed, after: -1 });
    return reply;
  } finally {
    follower.close();
  }
}

interface Committing {
  id: ResponseId;
  key: RegisteredKey;
  acceptable: Acceptable;
  bodyHash: string | null;
  now: number;
}

async function commit(
  context: GatewayContext,
  request: FastifyRequest,
  what: Committing,
): Promise<{ existed: boolean }> {
  return context.acceptance.request({
    id: what.id,
    owner: what.key.owner,
    request: what.acceptable.request,
    previousResponseId: what.acceptable.previousResponseId,
    bodyHash: what.bodyHash,
    createdAt: what.now,
    correlationId: correlationOf(request),
  });
}

/** A response in the background as it is at its beginning. */
function accepted(id: ResponseId, key: RegisteredKey, acceptable: Acceptable, now: number): ResponseResource {
  const resource = initialResource({
    id,
    owner: key.owner,
    ...acceptable,
    status: 'queued',
    error: null,
    incompleteReason: null,
    createdAt: now,
    endedAt: null,
    entries: 1,
    nextEvent: 0,
  });
  return { ...resource, status: 'queued' };
}

/** Waits for the end, which carries the whole response. */
async function result(
  context: GatewayContext,
  follower: Follower,
  id: ResponseId,
  owner: string,
  fresh: boolean,
): Promise<ResponseResource> {
  const finished = context.streams.enter(() => follower.close());
  try {
    for await (const event of follower.events({ fresh })) {
      if (event.type === 'message' && event.message.meta.ended !== null) {
        const last = decodeFrames(event.message.bytes).at(-1);
        if (last && 'response' in last) return last.response;
      }
      if (event.type === 'empty') {
        const stored = await readResponse(context, id, owner);
        if (stored.ended) return stored.resource;
      }
    }
  } finally {
    finished();
  }
  throw new ApiError('unavailable', { reason: 'the gateway is stopping; the response goes on' });
}

function idempotencyKeyOf(request: FastifyRequest): string | null {
  const header = request.headers['idempotency-key'];
  if (header === undefined || header === '') return null;
  if (typeof header === 'string' && header.length <= 255) return header;
  const param = 'Idempotency-Key';
  throw new ApiError('invalid_value', { param, reason: 'at most 255 characters are allowed' }, { param });
}
