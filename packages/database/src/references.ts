/** Looks up what the references among a request's items name. */
import { outputOf } from '@tailrace/chain';
import { ApiError, type InputItem, itemId, type KeptItem, parseItemId } from '@tailrace/protocol';
import type { Kysely } from 'kysely';
import { findConversationItems, findItemOrigins } from './conversations.ts';
import type { Tables } from './schema.ts';

/**
 * The items with every reference replaced by the item of the same owner that it names. `list` is what the request calls
 * them.
 * @throws ApiError `item_not_found`
 */
export async function resolveReferences(
  database: Kysely<Tables>,
  owner: string,
  items: readonly InputItem[],
  list: 'input' | 'items' = 'input',
): Promise<KeptItem[]> {
  const wanted = items.flatMap((item) => (item.type === 'item_reference' ? [item.id] : []));
  const found = wanted.length === 0 ? new Map<string, KeptItem>() : await findItems(database, owner, wanted);
  return items.map((item, index) => {
    if (item.type !== 'item_reference') return item;
    const named = found.get(item.id);
    if (named) return named;
    throw new ApiError('item_not_found', { id: item.id }, { param: `${list}[${index}]` });
  });
}

async function findItems(
  database: Kysely<Tables>,
  owner: string,
  ids: readonly string[],
): Promise<Map<string, KeptItem>> {
  const origins = ids.flatMap((id) => parseItemId(id)?.origin ?? []);
  const [responses, inConversations] = await Promise.all([
    findItemOrigins(database, owner, origins),
    findConversationItems(database, owner, ids),
  ]);
  const found = new Map(inConversations.map((item) => [item.id ?? '', item]));
  for (const { record, chain } of responses) {
    for (const { item } of outputOf(chain)) found.set(item.id, item);
    record.request.body.input.forEach((item, position) => {
      const id = item.id ?? itemId(item.type, record.id, position);
      found.set(id, { ...item, id });
    });
  }
  return found;
}
