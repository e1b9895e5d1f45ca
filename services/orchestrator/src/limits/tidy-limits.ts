/** Removes what limits do not need any more. */
import type { Database } from '@tailrace/database';
import { sql } from 'kysely';

/** How many rows of each table a round looks at: few, however many there are. */
const SLICE = 50;

/** Where the next round goes on: behind this holder of leases, and the bucket of this scope. */
interface Place {
  lease: string;
  bucket: string;
}

/** Before all others. */
const BEGINNING: Place = { lease: '00000000-0000-0000-0000-000000000000', bucket: '' };

/** How far this process has come. */
const places = new WeakMap<Database, Place>();

/** One round: goes on where the last one of this process has ended. @returns whether every row has been looked at. */
export async function tidyLimits(database: Database): Promise<boolean> {
  // The result of a call may come after its place was given up, and charges its tokens then.
  await database.deleteFrom('limit_leases').where('expires_at', '<', sql<Date>`now() - interval '1 hour'`).execute();
  const { lease, bucket } = places.get(database) ?? BEGINNING;
  const next = { lease: await tidyLeases(database, lease), bucket: await tidyBuckets(database, bucket) };
  places.set(database, next);
  return next.lease === BEGINNING.lease && next.bucket === BEGINNING.bucket;
}

/** A response that has ended has given its place back, unless somebody has changed the tables by hand. */
async function tidyLeases(database: Database, after: string): Promise<string> {
  const rows = await database
    .selectFrom('limit_leases')
    .select('holder')
    .where('holder', '>', after)
    .orderBy('holder')
    .limit(SLICE)
    .execute();
  const holders = rows.map(({ holder }) => holder);
  await sql`
    DELETE FROM limit_leases WHERE holder = ANY (${holders}::uuid[]) AND expires_at IS NULL AND NOT EXISTS (
      SELECT FROM responses WHERE responses.id = limit_leases.holder AND responses.ended_at IS NULL
    )`.execute(database);
  return holders[SLICE - 1] ?? BEGINNING.lease;
}

/** A bucket with nothing in it is as good as none. */
async function tidyBuckets(database: Database, after: string): Promise<string> {
  const rows = await database
    .selectFrom('limit_buckets')
    .select('scope')
    .where('scope', '>', after)
    .orderBy('scope')
    .limit(SLICE)
    .execute();
  const scopes = rows.map(({ scope }) => scope);
  await sql`
    DELETE FROM limit_buckets
    WHERE scope = ANY (${scopes}::text[])
      AND requests_at < now() - interval '7 days' AND tokens_at < now() - interval '7 days'
      AND tokens_used <= coalesce(tokens_per_minute, 0) * extract(epoch FROM now() - tokens_at) / 60
      AND NOT EXISTS (SELECT FROM limit_leases WHERE limit_leases.scope = limit_buckets.scope)`.execute(database);
  return scopes[SLICE - 1] ?? BEGINNING.bucket;
}
