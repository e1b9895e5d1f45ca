/** `POST /v1/responses`: streaming, blocking, or in the background. */
import { ApiError, createResponseBody, validate } from '@tailrace/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { authenticate } from './auth.ts';
import type { GatewayContext } from './context.ts';
import { correlationOf } from './correlation.ts';
import { awaitEnd, commitResponse, prepareResponse, queuedResource } from './new-response.ts';
import { rateLimitHeaders } from './rate-limit-headers.ts';
import { readResponse } from './retrieve.ts';
import { streamLog } from './sse.ts';

/** Handles the request; see the file's head. */
export async function handleCreate(
  context: GatewayContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const key = authenticate(context.registry, request);
  const body = validate(createResponseBody, request.body);
  const origin = {
    correlationId: correlationOf(request),
    idempotencyKey: idempotencyKeyOf(request),
    serverTools: wantsServerTools(request),
  };
  const made = await prepareResponse(context, key, body, origin);
  const { id } = made;
  if (body.background && !body.stream) {
    const { existed, rateLimit } = await commitResponse(context, made);
    reply.headers(rateLimitHeaders(rateLimit));
    // Without a key nobody has heard of it before.
    if (existed && made.bodyHash !== null)
      return (await readResponse(context, id, key.owner, { unstored: true })).resource;
    return queuedResource(made);
  }
  const follower = context.tails.follow(id);
  try {
    const { existed, rateLimit } = await commitResponse(context, made);
    reply.headers(rateLimitHeaders(rateLimit));
    reply.raw.once('close', () => follower.close());
    if (!body.stream) return await awaitEnd(context, follower, made, !existed);
    const response = { ...made, owner: key.owner };
    await streamLog(context, request, reply, { response, follower, fresh: !existed, after: -1 });
    return reply;
  } finally {
    follower.close();
  }
}

/**
 * The key under which a request may be sent again.
 * @throws ApiError `invalid_value`
 */
export function idempotencyKeyOf(request: FastifyRequest): string | null {
  const header = request.headers['idempotency-key'];
  if (header === undefined || header === '') return null;
  if (typeof header === 'string' && header.length <= 255) return header;
  const param = 'Idempotency-Key';
  throw new ApiError('invalid_value', { param, reason: 'at most 255 characters are allowed' }, { param });
}

/**
 * Clients that run every call they see would stumble over calls of the server's tools: with `tailrace-server-tools: off`
 * there are none.
 */
function wantsServerTools(request: FastifyRequest): boolean {
  const header = request.headers['tailrace-server-tools'];
  if (header === undefined || header === 'on') return true;
  if (header === 'off') return false;
  const param = 'tailrace-server-tools';
  throw new ApiError('invalid_value', { param, reason: 'it has to be on or off' }, { param });
}
