/** What a later request must carry in order to go on from a response that will not be there any more. */
import { itemsOfTurns, turnItems } from '@tailrace/chain';
import { loadHistory, loadResponse } from '@tailrace/database';
import type { KeptItem, ResponseId } from '@tailrace/protocol';
import type { GatewayContext } from './context.ts';

/** Everything that was said up to and including a response; undefined when there is none. */
export async function loadSaid(
  { database }: Pick<GatewayContext, 'database'>,
  id: ResponseId,
): Promise<KeptItem[] | undefined> {
  const stored = await loadResponse(database, id);
  if (!stored) return undefined;
  const { record, chain } = stored;
  const before = record.request.context ?? itemsOfTurns(await loadHistory(database, record));
  return [...before, ...turnItems(record, chain)];
}
