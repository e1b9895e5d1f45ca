/** Removes a response: its log, what was put aside for it, then its rows. What it cost stays booked, without content. */
import { logStream, logSubject, partitionOf } from '@tailrace/bus';
import { databaseTimeIn, NOBODY, neededByLive } from '@tailrace/database';
import { dropLogPayloads } from '@tailrace/log';
import type { ResponseId } from '@tailrace/protocol';
import { sql } from 'kysely';
import type { OrchestratorContext } from './context.ts';
import { logOf } from './projector.ts';

/** Milliseconds after which it is looked again whether a live response still needs what was to be removed. */
const LOOK_AGAIN_MS = 60_000;

/**
 * Removes a response that has ended. Done in this order, so that a crash leaves nothing that nobody looks for. What belongs to
 * the history of a live response is taken from its owner, and removed when that has ended.
 *
 * A response that is begun meanwhile looks for its history after its row is committed, and here it is looked for live ones
 * after the owner's loss is: one of the two sees the other.
 */
export async function removeResponse(context: OrchestratorContext, id: ResponseId): Promise<void> {
  await dropLog(context, id);
  await context.database
    .updateTable('responses')
    .set({ owner: NOBODY, purge_at: databaseTimeIn(LOOK_AGAIN_MS) })
    .where('id', '=', id)
    .execute();
  const { numDeletedRows } = await context.database
    .deleteFrom('responses')
    .where('id', '=', id)
    .where(sql<boolean>`NOT ${neededByLive(id)}`)
    .executeTakeFirstOrThrow();
  // While the rows were there, whoever found the log empty may have projected it anew.
  if (numDeletedRows > 0n) await dropLog(context, id);
}

async function dropLog(context: OrchestratorContext, id: ResponseId): Promise<void> {
  await dropLogPayloads(logOf(context, id));
  const partition = partitionOf(id, context.partitions);
  await context.bus.jsm.streams.purge(logStream(partition), { filter: logSubject(partition, id) });
}
