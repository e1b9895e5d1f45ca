/** What a later request must carry in order to go on from a response that will not be there any more. */
import { itemsOfTurns, turnItems } from '@tailrace/chain';
import { findGap, loadHistory, loadResponse } from '@tailrace/database';
import type { KeptItem, ResponseId } from '@tailrace/protocol';
import type { GatewayContext } from './context.ts';

/** Everything that was said up to and including a response; undefined when it is not all there any more. */
export async function loadSaid(
  { database }: Pick<GatewayContext, 'database'>,
  id: ResponseId,
): Promise<KeptItem[] | undefined> {
  const stored = await loadResponse(database, id);
  if (!stored) return undefined;
  const { record, chain } = stored;
  const { previousResponseId } = record;
  if (record.request.context === undefined && previousResponseId !== null) {
    if ((await findGap(database, previousResponseId)) !== null) return undefined;
  }
  const before = record.request.context ?? itemsOfTurns(await loadHistory(database, record));
  return [...before, ...turnItems(record, chain)];
}
