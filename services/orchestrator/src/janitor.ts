/** Removes what has been kept long enough. */
import { DATABASE_TIME, type Database, databaseTimeIn } from '@tailrace/database';
import { hexOf, newId } from '@tailrace/protocol';
import { sql } from 'kysely';
import { eachPageApart, type Round } from './apart.ts';
import type { OrchestratorContext } from './context.ts';
import { forgetCalls } from './forget-calls.ts';
import { tidyLimits } from './limits/tidy-limits.ts';
import { removeResponse } from './remove-response.ts';

/** The most responses that are read at once. */
const PAGE = 200;

/** One round: what is due of each kind, whatever becomes of the others. @throws AggregateError of what could not be done. */
export async function tidy(context: OrchestratorContext, signal: AbortSignal): Promise<Round> {
  const page = (passed: number) => dueResponses(context).offset(passed).execute();
  const removed = await eachPageApart(context, 'to remove it', { page, size: PAGE }, signal, async ({ id }) => {
    await removeResponse(context, id);
    return true;
  });
  const rest = [
    () => forgetDeliveries(context.database, context.retention.storedMs),
    () => forgetCalls(context.database, context.retention.analyticsMs, signal),
    () => tidyLimits(context.database),
  ];
  const errors: unknown[] = [];
  for (const task of rest) {
    try {
      await task();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, 'some things could not be tidied');
  return removed;
}

/** The responses whose time has come, the longest overdue first. */
export function dueResponses(context: Pick<OrchestratorContext, 'database'>) {
  return context.database
    .selectFrom('responses')
    .select('id')
    .where('purge_at', '<=', DATABASE_TIME)
    .orderBy('purge_at')
    .limit(PAGE);
}

/** The delivery log is kept as long as responses are. Ids are ordered by time, so the primary key finds the old ones. */
async function forgetDeliveries(database: Database, keepMs: number): Promise<void> {
  const { rows } = await sql<{ before: Date }>`SELECT ${databaseTimeIn(-keepMs)} AS before`.execute(database);
  const [row] = rows;
  if (!row) throw new Error('the database does not know the time');
  await database
    .deleteFrom('webhook_deliveries')
    .where('id', '<', oldestId(row.before.getTime()))
    .where('state', '<>', 'pending')
    .execute();
}

function oldestId(time: number): string {
  const hex = `${hexOf(newId(time)).slice(0, 12)}70008000000000000000`;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
