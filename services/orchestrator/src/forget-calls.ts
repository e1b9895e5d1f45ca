import type { Database } from '@tailrace/database';
import { sql } from 'kysely';
import { longAgo } from './record-result.ts';

/** The most rows of one statement: it is short, holds up nobody, and reaches each row by its key. */
const BATCH = 500;

const TABLES = ['http_analytics', 'tool_call_analytics'] as const;

/**
 * Removes the rows of calls that began longer than `olderThanMs` ago, by the database's clock, the oldest first, until there
 * are none or `signal` is aborted.
 */
export async function forgetCalls(database: Database, olderThanMs: number, signal: AbortSignal): Promise<void> {
  for (const table of TABLES) {
    while (!signal.aborted) {
      const { numAffectedRows } = await oldCalls(table, olderThanMs).execute(database);
      if (Number(numAffectedRows ?? 0) < BATCH) break;
    }
  }
}

/** Removes one batch of a table. Two orchestrators at once take different rows. */
export function oldCalls(table: (typeof TABLES)[number], olderThanMs: number) {
  return sql`
    WITH old AS (
      SELECT response_id, id FROM ${sql.table(table)} WHERE started_at < ${longAgo(olderThanMs)}
      ORDER BY started_at LIMIT ${sql.lit(BATCH)} FOR UPDATE SKIP LOCKED
    )
    DELETE FROM ${sql.table(table)} AS call USING old WHERE call.response_id = old.response_id AND call.id = old.id`;
}
