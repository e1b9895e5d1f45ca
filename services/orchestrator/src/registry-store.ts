/** The registry in Postgres: one change after another. */
import type { Database, Tables } from '@tailrace/database';
import { sql, type Transaction } from 'kysely';

/**
 * Changes the registry in one transaction, which no other change runs beside.
 * @param change tells whether it has changed anything; when it throws, nothing is changed.
 * @returns what it tells.
 */
export async function changeRegistry<Result extends { changed: boolean }>(
  database: Database,
  change: (tx: Transaction<Tables>) => Promise<Result>,
): Promise<Result> {
  return database.transaction().execute(async (tx) => {
    await tx.selectFrom('registry_state').select('id').forUpdate().executeTakeFirstOrThrow();
    const result = await change(tx);
    if (result.changed) {
      await tx.updateTable('registry_state').set({ version: sql<number>`version + 1` }).execute();
    }
    return result;
  });
}
