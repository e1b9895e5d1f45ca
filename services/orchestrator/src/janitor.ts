/** Removes what has been kept long enough. */
import { DATABASE_TIME, type Database, databaseTimeIn } from '@tailrace/database';
import { hexOf, newId } from '@tailrace/protocol';
import { sql } from 'kysely';
import type { OrchestratorContext } from './context.ts';
import { forgetCalls } from './forget-calls.ts';
import { tidyLimits } from './limits/tidy-limits.ts';
import { removeResponse } from './remove-response.ts';

/** The most responses that one round removes. */
const BATCH = 200;

/** One round. @returns how many responses were removed. */
export async function tidy(context: OrchestratorContext, signal: AbortSignal): Promise<number> {
  const due = await dueResponses(context).execute();
  let removed = 0;
  for (const { id } of due) {
    if (signal.aborted) break;
    await removeResponse(context, id);
    removed += 1;
  }
  await forgetDeliveries(context.database, context.retention.storedMs);
  await forgetCalls(context.database, context.retention.analyticsMs, signal);
  await tidyLimits(context.database);
  return removed;
}

/** The responses whose time has come, the longest overdue first. */
export function dueResponses(context: Pick<OrchestratorContext, 'database'>) {
  return context.database
    .selectFrom('responses')
    .select('id')
    .where('purge_at', '<=', DATABASE_TIME)
    .orderBy('purge_at')
    .limit(BATCH);
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
