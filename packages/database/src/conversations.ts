import type { ConversationId, KeptItem } from '@tailrace/protocol';
import { type Kysely, sql } from 'kysely';
import { anyOf, loadChain, type StoredResponse } from './chains.ts';
import { toRecord } from './rows.ts';
import type { Tables } from './schema.ts';

/** An item of a conversation where it stands. */
export interface ConversationItem {
  position: number;
  id: string;
  item: KeptItem;
}

/** A conversation without its items. */
export interface Conversation {
  id: ConversationId;
  owner: string;
  metadata: Record<string, string>;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

/** A conversation; undefined when there is none. */
export async function loadConversation(
  database: Kysely<Tables>,
  id: ConversationId,
): Promise<Conversation | undefined> {
  const row = await database.selectFrom('conversations').selectAll().where('id', '=', id).executeTakeFirst();
  return row && { id: row.id, owner: row.owner, metadata: row.metadata, createdAt: row.created_at.getTime() };
}

/** The items of a conversation below a position, or all of them, in their order. */
export async function loadConversationItems(
  database: Kysely<Tables>,
  id: ConversationId,
  below?: number,
): Promise<ConversationItem[]> {
  const rows = await database
    .selectFrom('conversation_items')
    .select(['position', 'id', 'item'])
    .where('conversation_id', '=', id)
    .where('position', '<', String(below ?? Number.MAX_SAFE_INTEGER))
    .orderBy('position')
    .execute();
  return rows.map((row) => ({ position: Number(row.position), id: row.id, item: row.item }));
}

/** An item of a conversation; undefined when there is none of that id in it. */
export async function loadConversationItem(
  database: Kysely<Tables>,
  conversation: ConversationId,
  id: string,
): Promise<ConversationItem | undefined> {
  const row = await database
    .selectFrom('conversation_items')
    .select(['position', 'id', 'item'])
    .where('conversation_id', '=', conversation)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { position: Number(row.position), id: row.id, item: row.item };
}

/** The items with these ids in the conversations of an owner. */
export async function findConversationItems(
  database: Kysely<Tables>,
  owner: string,
  ids: readonly string[],
): Promise<KeptItem[]> {
  const rows = await database
    .selectFrom('conversation_items')
    .innerJoin('conversations', 'conversations.id', 'conversation_items.conversation_id')
    .select(['conversation_items.id', 'conversation_items.item'])
    .where('conversation_items.id', '=', sql<string>`ANY(${ids}::text[])`)
    .where('conversations.owner', '=', owner)
    .execute();
  return rows.map((row) => ({ ...row.item, id: row.id }));
}

/**
 * The stored responses of an owner among those that these identities name, each the response's own or that of one of its
 * steps. What is not kept, once it has ended, is not found.
 */
export async function findItemOrigins(
  database: Kysely<Tables>,
  owner: string,
  origins: readonly string[],
): Promise<StoredResponse[]> {
  if (origins.length === 0) return [];
  const steps = await database
    .selectFrom('response_steps')
    .select('response_id')
    .where('id', '=', anyOf(origins))
    .execute();
  const rows = await database
    .selectFrom('responses')
    .selectAll()
    .where('id', '=', anyOf([...new Set([...origins, ...steps.map((step) => step.response_id)])]))
    .where('owner', '=', owner)
    .execute();
  const kept = rows.map(toRecord).filter((record) => record.request.body.store ?? true);
  return Promise.all(kept.map(async (record) => ({ record, chain: await loadChain(database, record.id) })));
}
