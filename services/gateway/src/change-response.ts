/** `POST /v1/responses/{id}/cancel` and `DELETE /v1/responses/{id}`: at any gateway, whoever works on the response. */
import { publicResponseId } from '@tailrace/protocol';
import type { FastifyRequest } from 'fastify';
import { authenticate } from './auth.ts';
import type { GatewayContext } from './context.ts';
import { correlationOf } from './correlation.ts';
import { idOf, readResponse } from './retrieve.ts';

/** Cancels a live response; one that has ended is returned as it is. */
export async function handleCancel(context: GatewayContext, request: FastifyRequest): Promise<unknown> {
  const { owner } = authenticate(context.registry, request);
  const id = idOf(request);
  await context.orchestrator.ask('cancel', { id, owner, correlationId: correlationOf(request) });
  return (await readResponse(context, id, owner, { unstored: true })).resource;
}

/** Removes a response and everything that belongs to it; a live one is cancelled first. */
export async function handleDelete(context: GatewayContext, request: FastifyRequest): Promise<unknown> {
  const { owner } = authenticate(context.registry, request);
  const id = idOf(request);
  await context.orchestrator.ask('delete', { id, owner, correlationId: correlationOf(request) });
  return { id: publicResponseId(id), object: 'response', deleted: true };
}
