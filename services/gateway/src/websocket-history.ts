/** What a later request must carry in order to go on from a response that will not be there any more. */
import { itemsOfTurns, type ResponseRecord, turnItems } from '@tailrace/chain';
import { loadConversationItems, loadResponse, loadTurns } from '@tailrace/database';
import type { KeptItem, ResponseId } from '@tailrace/protocol';
import type { GatewayContext } from './context.ts';

/** Everything that was said up to and including a response; undefined when there is none. */
export async function loadSaid(
  context: Pick<GatewayContext, 'database'>,
  id: ResponseId,
): Promise<KeptItem[] | undefined> {
  const stored = await loadResponse(context.database, id);
  if (!stored) return undefined;
  return [...(await saidBefore(context, stored.record)), ...turnItems(stored.record, stored.chain)];
}

async function saidBefore({ database }: Pick<GatewayContext, 'database'>, record: ResponseRecord): Promise<KeptItem[]> {
  const { request, previousResponseId, conversationId, conversationPosition } = record;
  if (request.context !== undefined) return request.context;
  if (conversationId !== null && conversationPosition !== null) {
    return (await loadConversationItems(database, conversationId, conversationPosition)).map(({ item }) => item);
  }
  return previousResponseId === null ? [] : itemsOfTurns(await loadTurns(database, previousResponseId));
}
