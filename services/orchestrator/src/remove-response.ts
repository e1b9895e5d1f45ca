/** Removes a response: its log, what was put aside for it, then its rows. What it cost stays booked, without content. */
import { logStream, logSubject, partitionOf } from '@tailrace/bus';
import { dropLogPayloads } from '@tailrace/log';
import type { ResponseId } from '@tailrace/protocol';
import type { OrchestratorContext } from './context.ts';
import { logOf } from './projector.ts';

/** Removes a response that has ended. Done in this order, so that a crash leaves nothing that nobody looks for. */
export async function removeResponse(context: OrchestratorContext, id: ResponseId): Promise<void> {
  await dropLogPayloads(logOf(context, id));
  const partition = partitionOf(id, context.partitions);
  await context.bus.jsm.streams.purge(logStream(partition), { filter: logSubject(partition, id) });
  await context.database.deleteFrom('responses').where('id', '=', id).execute();
}
