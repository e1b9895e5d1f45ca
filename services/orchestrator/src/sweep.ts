/** Finds live responses that nothing happens to, and hands their open steps out again. */
import { JetStreamApiError } from '@nats-io/jetstream';
import { CHAIN_STREAM, WORK_STREAM, workDurable } from '@tailrace/bus';
import { loadResponse, type StoredResponse } from '@tailrace/database';
import { resume } from './commands.ts';
import type { OrchestratorContext } from './context.ts';
import { countAttempt, longAgo } from './record-result.ts';
import { isOpenWork, sourceOf } from './step-work.ts';

/** The most responses that one sweep looks at. */
const BATCH = 100;

/**
 * One sweep. A step is lost when no worker has told of it for `afterMs` and its queue holds nothing that has not been
 * delivered; workers tell of long steps as they go.
 * @returns how many responses were taken up again.
 */
export async function sweep(
  context: OrchestratorContext,
  durables: readonly string[],
  afterMs: number,
  signal: AbortSignal,
): Promise<number> {
  for (const durable of durables) if (await hasBacklog(context, CHAIN_STREAM, durable)) return 0;
  const rows = await silentResponses(context, afterMs).execute();
  let resumed = 0;
  for (const { id, correlation_id } of rows) {
    if (signal.aborted) break;
    const live = await loadResponse(context.database, id);
    if (!live || (await anyWaiting(context, live))) continue;
    const stored = await countAttempt(context.database, id, afterMs);
    if (!stored) continue;
    context.log.warn({ response_id: id }, 'a silent response is taken up again');
    await resume(context, stored, correlation_id, signal);
    resumed += 1;
  }
  return resumed;
}

/** The live responses that nothing has happened to for a while, the most silent first. */
export function silentResponses(context: Pick<OrchestratorContext, 'database'>, afterMs: number) {
  return context.database
    .selectFrom('responses')
    .select(['id', 'correlation_id'])
    .where('ended_at', 'is', null)
    .where('updated_at', '<', longAgo(afterMs))
    .orderBy('updated_at')
    .limit(BATCH);
}

async function anyWaiting(context: OrchestratorContext, stored: StoredResponse): Promise<boolean> {
  const queues = new Set(stored.chain.filter(isOpenWork).map((step) => workDurable(sourceOf(stored, step))));
  for (const queue of queues) if (await hasBacklog(context, WORK_STREAM, queue)) return true;
  return false;
}

/** Whether messages wait to be delivered. A queue that nobody serves keeps what is in it, and is no reason to add more. */
async function hasBacklog(context: OrchestratorContext, stream: string, durable: string): Promise<boolean> {
  try {
    return (await context.bus.jsm.consumers.info(stream, durable)).num_pending > 0;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return true;
    throw error;
  }
}
