/** What was said before a response. */
import type { ResponseRecord, Turn } from '@tailrace/chain';
import type { Kysely } from 'kysely';
import { loadTurns } from './chains.ts';
import { loadConversationItems } from './conversations.ts';
import type { Tables } from './schema.ts';

/** What a history is found by. */
export type Rooted = Pick<ResponseRecord, 'request' | 'previousResponseId' | 'conversationId' | 'conversationPosition'>;

/** The turns before a response, oldest first. A response that carries its own context has no others. */
export async function loadHistory(database: Kysely<Tables>, record: Rooted): Promise<Turn[]> {
  const { request, previousResponseId, conversationId, conversationPosition } = record;
  if (request.context !== undefined) return [];
  if (conversationId !== null && conversationPosition !== null) {
    const items = await loadConversationItems(database, conversationId, conversationPosition);
    return [{ items: items.map(({ item }) => item), chain: [] }];
  }
  return previousResponseId === null ? [] : loadTurns(database, previousResponseId);
}
