/** Finds live responses that nothing happens to, and hands their open steps out again. */
import { JetStreamApiError } from '@nats-io/jetstream';
import { CHAIN_STREAM, WORK_STREAM, type WorkSource, workDurable } from '@tailrace/bus';
import { isTerminal, type Step } from '@tailrace/chain';
import { loadChain } from '@tailrace/database';
import { resume } from './commands.ts';
import type { OrchestratorContext } from './context.ts';
import { countAttempt, longAgo } from './record-result.ts';

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
    const open = (await loadChain(context.database, id)).filter((step) => !isTerminal(step));
    if (await anyWaiting(context, open)) continue;
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

async function anyWaiting(context: OrchestratorContext, steps: readonly Step[]): Promise<boolean> {
  for (const step of steps) {
    if (await hasBacklog(context, WORK_STREAM, workDurable(sourceOf(step)))) return true;
  }
  return false;
}

function sourceOf(step: Step): WorkSource {
  switch (step.kind) {
    case 'model_call':
      return { kind: 'model', name: step.request.model };
    case 'tool_call':
      return { kind: 'tool', name: step.request.tool };
  }
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
