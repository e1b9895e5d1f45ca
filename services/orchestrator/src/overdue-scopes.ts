/** Which agents are late when something is recorded, by the database's clock. */
import { isScopeStep, isTerminal, type Step } from '@tailrace/chain';
import type { Tables } from '@tailrace/database';
import type { ResponseId, StepId } from '@tailrace/protocol';
import { type Kysely, sql } from 'kysely';

const NONE: ReadonlySet<StepId> = new Set();

/** The agents of a chain whose time is up. `chain` is what a transaction that holds the response has read. */
export async function overdueScopes(
  database: Kysely<Tables>,
  id: ResponseId,
  chain: readonly Step[],
): Promise<ReadonlySet<StepId>> {
  if (!chain.some((step) => isScopeStep(step) && !isTerminal(step))) return NONE;
  const rows = await database
    .selectFrom('response_steps')
    .select('id')
    .where('response_id', '=', id)
    .where('ended_entry', 'is', null)
    // The transaction may have waited for the response.
    .where('deadline', '<=', sql<Date>`clock_timestamp()`)
    .execute();
  return new Set(rows.map((row) => row.id));
}
