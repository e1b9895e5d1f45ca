/** What clients do to conversations. Each change may be told more than once. */
import type { ConversationChange, ConversationCommand } from '@tailrace/bus';
import { resolveReferences, type Tables } from '@tailrace/database';
import { ApiError, type InputItem, itemId, publicConversationId } from '@tailrace/protocol';
import type { Transaction } from 'kysely';
import type { StoreContext } from './context.ts';

/** What became of a change. */
export interface Changed {
  /** It had been done before. */
  existed: boolean;
  /** The ids of the items that it has put into the conversation, in their order. */
  itemIds: string[];
}

/**
 * Does one change.
 * @throws ApiError `conversation_not_found`, `conversation_locked`, `item_not_found`
 */
export async function changeConversation(
  context: Pick<StoreContext, 'database'>,
  command: ConversationCommand,
): Promise<Changed> {
  return context.database.transaction().execute(async (tx) => {
    if (command.change.type === 'create') return create(tx, command, command.change);
    const row = await tx
      .selectFrom('conversations')
      .selectAll()
      .where('id', '=', command.id)
      .forUpdate()
      .executeTakeFirst();
    if (!row || row.owner !== command.owner) {
      throw new ApiError('conversation_not_found', { id: publicConversationId(command.id) });
    }
    return change(tx, command, command.change, Number(row.next_position));
  });
}

type Change<Type extends ConversationChange['type']> = Extract<ConversationChange, { type: Type }>;

async function create(
  tx: Transaction<Tables>,
  command: ConversationCommand,
  wanted: Change<'create'>,
): Promise<Changed> {
  const made = await tx
    .insertInto('conversations')
    .values({
      id: command.id,
      owner: command.owner,
      metadata: JSON.stringify(wanted.metadata),
      created_at: new Date(command.createdAt),
      next_position: 0,
      active_response_id: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .execute();
  if (made.length === 0) return { existed: true, itemIds: [] };
  return { existed: false, itemIds: await add(tx, command, wanted.items, wanted.batch, 0) };
}

async function change(
  tx: Transaction<Tables>,
  command: ConversationCommand,
  wanted: Exclude<ConversationChange, { type: 'create' }>,
  position: number,
): Promise<Changed> {
  switch (wanted.type) {
    case 'update':
      await tx
        .updateTable('conversations')
        .set({ metadata: JSON.stringify(wanted.metadata) })
        .where('id', '=', command.id)
        .execute();
      return { existed: false, itemIds: [] };
    case 'delete':
      await tx.deleteFrom('conversations').where('id', '=', command.id).execute();
      return { existed: false, itemIds: [] };
    case 'add':
      return { existed: false, itemIds: await add(tx, command, wanted.items, wanted.batch, position) };
    case 'remove': {
      const removed = await tx
        .deleteFrom('conversation_items')
        .where('conversation_id', '=', command.id)
        .where('id', '=', wanted.itemId)
        .returning('id')
        .execute();
      if (removed.length === 0) throw new ApiError('item_not_found', { id: wanted.itemId });
      return { existed: false, itemIds: [] };
    }
  }
}

async function add(
  tx: Transaction<Tables>,
  command: ConversationCommand,
  items: readonly InputItem[],
  batch: string,
  position: number,
): Promise<string[]> {
  if (items.length === 0) return [];
  const kept = await resolveReferences(tx, command.owner, items, 'items');
  const rows = kept.map((item, index) => {
    const id = itemId(item.type, batch, index);
    return {
      conversation_id: command.id,
      position: position + index,
      id,
      item: JSON.stringify({ ...item, id }),
      created_at: new Date(command.createdAt),
    };
  });
  // The ids are those of the request: told a second time, it finds its items there.
  const added = await tx
    .insertInto('conversation_items')
    .values(rows)
    .onConflict((conflict) => conflict.columns(['conversation_id', 'id']).doNothing())
    .returning('id')
    .execute();
  if (added.length > 0) {
    await tx
      .updateTable('conversations')
      .set({ next_position: position + rows.length })
      .where('id', '=', command.id)
      .execute();
  }
  return rows.map((row) => row.id);
}
