/** Removes what limits do not need any more. */
import type { Database } from '@tailrace/database';
import { sql } from 'kysely';

/** One round. */
export async function tidyLimits(database: Database): Promise<void> {
  // The result of a call may come after its place was given up, and charges its tokens then.
  await database.deleteFrom('limit_leases').where('expires_at', '<', sql<Date>`now() - interval '1 hour'`).execute();
  // A response that has ended has given its place back, unless somebody has changed the tables by hand.
  await sql`
    DELETE FROM limit_leases WHERE expires_at IS NULL AND NOT EXISTS (
      SELECT FROM responses WHERE responses.id = limit_leases.holder AND responses.ended_at IS NULL
    )`.execute(database);
  // A bucket with nothing in it is as good as none.
  await sql`
    DELETE FROM limit_buckets
    WHERE requests_at < now() - interval '7 days' AND tokens_at < now() - interval '7 days'
      AND tokens_used <= coalesce(tokens_per_minute, 0) * extract(epoch FROM now() - tokens_at) / 60
      AND NOT EXISTS (SELECT FROM limit_leases WHERE limit_leases.scope = limit_buckets.scope)`.execute(database);
}
