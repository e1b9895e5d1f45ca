/** `/v1/conversations/{id}/items`: what was said in a conversation. */
import {
  type ConversationItem,
  findConversationItems,
  loadConversationItem,
  loadConversationItems,
} from '@tailrace/database';
import {
  ApiError,
  addItemsBody,
  type ConversationResource,
  type ListedItem,
  type ListPage,
  listedItem,
  listQuery,
  newId,
  pageOf,
  validate,
} from '@tailrace/protocol';
import type { FastifyRequest } from 'fastify';
import { authenticate } from './auth.ts';
import type { GatewayContext } from './context.ts';
import { conversationIdOf, conversationResourceOf, readConversation } from './conversations.ts';
import { correlationOf } from './correlation.ts';
import { fromDatabase } from './database-read.ts';
import { readItems } from './input-files.ts';

/** Handles `GET /v1/conversations/{id}/items`. */
export async function handleItems(context: GatewayContext, request: FastifyRequest): Promise<ListPage> {
  const { owner } = authenticate(context.registry, request);
  const id = conversationIdOf(request);
  const query = validate(listQuery, request.query);
  await readConversation(context, id, owner);
  const items = await fromDatabase(() => loadConversationItems(context.database, id));
  const page = pageOf(items.map(shown), query);
  if (page) return page;
  const detail = { param: 'after', reason: 'there is no such item in this list' };
  throw new ApiError('invalid_value', detail, { param: 'after' });
}

/** Handles `POST /v1/conversations/{id}/items`. */
export async function handleAddItems(context: GatewayContext, request: FastifyRequest): Promise<ListPage> {
  const { owner } = authenticate(context.registry, request);
  const id = conversationIdOf(request);
  const body = validate(addItemsBody, request.body);
  const items = await readItems(context, owner, body.items, 'items');
  const createdAt = Date.now();
  const change = { type: 'add', items, batch: newId(createdAt) } as const;
  const command = { id, owner, change, createdAt, correlationId: correlationOf(request) };
  const { itemIds = [] } = await context.orchestrator.ask('conversation', command);
  const stored = await fromDatabase(() => findConversationItems(context.database, owner, itemIds));
  const byId = new Map(stored.map((item) => [item.id, item]));
  const data = itemIds.flatMap((itemId): ListedItem[] => {
    const item = byId.get(itemId);
    return item ? [listedItem(item, id, 0)] : [];
  });
  return {
    object: 'list',
    data,
    first_id: data.at(0)?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: false,
  };
}

/** Handles `GET /v1/conversations/{id}/items/{item_id}`. */
export async function handleItem(context: GatewayContext, request: FastifyRequest): Promise<ListedItem> {
  const { owner } = authenticate(context.registry, request);
  const id = conversationIdOf(request);
  await readConversation(context, id, owner);
  const itemId = itemIdOf(request);
  const item = await fromDatabase(() => loadConversationItem(context.database, id, itemId));
  if (!item) throw new ApiError('item_not_found', { id: itemId });
  return shown(item);
}

/** Handles `DELETE /v1/conversations/{id}/items/{item_id}`: answers with the conversation. */
export async function handleRemoveItem(
  context: GatewayContext,
  request: FastifyRequest,
): Promise<ConversationResource> {
  const { owner } = authenticate(context.registry, request);
  const id = conversationIdOf(request);
  const change = { type: 'remove', itemId: itemIdOf(request) } as const;
  const command = { id, owner, change, createdAt: Date.now(), correlationId: correlationOf(request) };
  await context.orchestrator.ask('conversation', command);
  return conversationResourceOf(await readConversation(context, id, owner));
}

function itemIdOf(request: FastifyRequest): string {
  const { item_id } = request.params as { item_id: string };
  // No text in the database can hold it.
  if (item_id.includes('\0')) throw new ApiError('item_not_found', { id: item_id });
  return item_id;
}

/** Items of conversations have ids of their own. */
function shown({ item, id }: ConversationItem): ListedItem {
  return listedItem({ ...item, id }, id, 0);
}
