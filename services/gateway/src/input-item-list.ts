/** `GET /v1/responses/{id}/input_items`: what a response was given, without the turns before it. */
import { ApiError, listedItems, listQuery, pageOf, validate } from '@tailrace/protocol';
import type { FastifyRequest } from 'fastify';
import { authenticate } from './auth.ts';
import type { GatewayContext } from './context.ts';
import { idOf, readOwned } from './retrieve.ts';

/** Handles the request; see the file's head. */
export async function handleInputItems(context: GatewayContext, request: FastifyRequest): Promise<unknown> {
  const { owner } = authenticate(context.registry, request);
  const query = validate(listQuery, request.query);
  const { record } = await readOwned(context, idOf(request), owner);
  const items = listedItems(record.request.body.input, record.id);
  const page = pageOf(items, query);
  if (page) return page;
  const detail = { param: 'after', reason: 'there is no such item in this list' };
  throw new ApiError('invalid_value', detail, { param: 'after' });
}
