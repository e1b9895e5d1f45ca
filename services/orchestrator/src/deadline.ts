/** Ends responses that have taken longer than any may. */
import { databaseTimeIn } from '@tailrace/database';
import { errorInfo } from '@tailrace/protocol';
import { eachPageApart, type Round } from './apart.ts';
import { cancelResponse } from './cancel-response.ts';
import type { OrchestratorContext } from './context.ts';

/** The most responses that are read at once. */
const PAGE = 100;

/** One round. `deadlineMs` is counted from a response's acceptance, by the database's clock. */
export async function endOverdue(
  context: OrchestratorContext,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Round> {
  const error = errorInfo('deadline_exceeded', { seconds: Math.round(deadlineMs / 1_000) });
  const page = (passed: number) => overdueResponses(context, deadlineMs).offset(passed).execute();
  return eachPageApart(context, 'to end it at its deadline', { page, size: PAGE }, signal, async ({ id }, within) => {
    return (await cancelResponse(context, id, within, error))?.fresh ?? false;
  });
}

/** The live responses that were accepted so many milliseconds ago, found through the index of live ones. */
export function overdueResponses(context: Pick<OrchestratorContext, 'database'>, deadlineMs: number) {
  return context.database
    .selectFrom('responses')
    .select('id')
    .where('ended_at', 'is', null)
    .where('accepted_at', '<', databaseTimeIn(-deadlineMs))
    .orderBy('id')
    .limit(PAGE);
}
