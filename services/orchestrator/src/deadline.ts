/** Ends responses that have taken longer than any may. */
import { databaseTimeIn } from '@tailrace/database';
import { errorInfo } from '@tailrace/protocol';
import { cancelResponse } from './cancel-response.ts';
import type { OrchestratorContext } from './context.ts';

/** The most responses that one round ends. */
const BATCH = 100;

/** One round. `deadlineMs` is counted from a response's acceptance, by the database's clock. @returns how many were ended. */
export async function endOverdue(
  context: OrchestratorContext,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<number> {
  const rows = await overdueResponses(context, deadlineMs).execute();
  const error = errorInfo('deadline_exceeded', { seconds: Math.round(deadlineMs / 1_000) });
  let ended = 0;
  for (const { id } of rows) {
    if (signal.aborted) break;
    if ((await cancelResponse(context, id, signal, error))?.fresh) ended += 1;
  }
  return ended;
}

/** The live responses that were accepted so many milliseconds ago, found through the index of live ones. */
export function overdueResponses(context: Pick<OrchestratorContext, 'database'>, deadlineMs: number) {
  return context.database
    .selectFrom('responses')
    .select('id')
    .where('ended_at', 'is', null)
    .where('accepted_at', '<', databaseTimeIn(-deadlineMs))
    .limit(BATCH);
}
