/** `/v1/conversations`: items that live on between responses. Read from the database; changed by the orchestrator. */
import { type Conversation, loadConversation } from '@tailrace/database';
import {
  ApiError,
  type ConversationId,
  type ConversationResource,
  createConversationBody,
  newId,
  parseConversationId,
  publicConversationId,
  updateConversationBody,
  validate,
} from '@tailrace/protocol';
import type { FastifyRequest } from 'fastify';
import { authenticate } from './auth.ts';
import type { GatewayContext } from './context.ts';
import { correlationOf } from './correlation.ts';
import { fromDatabase } from './database-read.ts';
import { readItems } from './input-files.ts';

/** Handles `POST /v1/conversations`. */
export async function handleCreateConversation(
  context: GatewayContext,
  request: FastifyRequest,
): Promise<ConversationResource> {
  const { owner } = authenticate(context.registry, request);
  const body = validate(createConversationBody, request.body ?? {});
  const items = await readItems(context, owner, body.items ?? [], 'items');
  const createdAt = Date.now();
  const id = newId(createdAt);
  const metadata = body.metadata ?? {};
  const change = { type: 'create', metadata, items, batch: newId(createdAt) } as const;
  await context.orchestrator.ask('conversation', {
    id,
    owner,
    change,
    createdAt,
    correlationId: correlationOf(request),
  });
  return conversationResourceOf({ id, owner, metadata, createdAt });
}

/** Handles `GET /v1/conversations/{id}`. */
export async function handleConversation(
  context: GatewayContext,
  request: FastifyRequest,
): Promise<ConversationResource> {
  const { owner } = authenticate(context.registry, request);
  return conversationResourceOf(await readConversation(context, conversationIdOf(request), owner));
}

/** Handles `POST /v1/conversations/{id}`. */
export async function handleUpdateConversation(
  context: GatewayContext,
  request: FastifyRequest,
): Promise<ConversationResource> {
  const { owner } = authenticate(context.registry, request);
  const id = conversationIdOf(request);
  const { metadata } = validate(updateConversationBody, request.body);
  const change = { type: 'update', metadata: metadata ?? {} } as const;
  const command = { id, owner, change, createdAt: Date.now(), correlationId: correlationOf(request) };
  await context.orchestrator.ask('conversation', command);
  return conversationResourceOf(await readConversation(context, id, owner));
}

/** Handles `DELETE /v1/conversations/{id}`. The items go with it; responses that were made in it stay. */
export async function handleDeleteConversation(context: GatewayContext, request: FastifyRequest): Promise<unknown> {
  const { owner } = authenticate(context.registry, request);
  const id = conversationIdOf(request);
  const command = { id, owner, createdAt: Date.now(), correlationId: correlationOf(request) };
  await context.orchestrator.ask('conversation', { ...command, change: { type: 'delete' } });
  return { id: publicConversationId(id), object: 'conversation.deleted', deleted: true };
}

/**
 * A conversation of an owner.
 * @throws ApiError `conversation_not_found`, also for one of another owner (I7).
 */
export async function readConversation(
  context: Pick<GatewayContext, 'database'>,
  id: ConversationId,
  owner: string,
): Promise<Conversation> {
  const found = await fromDatabase(() => loadConversation(context.database, id));
  if (found && found.owner === owner) return found;
  throw new ApiError('conversation_not_found', { id: publicConversationId(id) });
}

/** The conversation that a path names. */
export function conversationIdOf(request: FastifyRequest): ConversationId {
  const { id } = request.params as { id: string };
  const parsed = parseConversationId(id);
  if (!parsed) throw new ApiError('conversation_not_found', { id });
  return parsed;
}

/** A conversation as clients see it. */
export function conversationResourceOf({ id, createdAt, metadata }: Conversation): ConversationResource {
  const created_at = Math.floor(createdAt / 1_000);
  return { id: publicConversationId(id), object: 'conversation', created_at, metadata };
}
