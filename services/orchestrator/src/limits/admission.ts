/**
 * Decides in the database whether a request may begin: what limits it is locked, so that all processes together admit no
 * more than one would. The clock is the database's.
 */
import { LimitReached, type RateLimit, type ScopeLimits } from '@tailrace/bus';
import type { Tables } from '@tailrace/database';
import { type InsertObject, type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { decide, rateLimitOf, type ScopeUse } from './decision.ts';

/** A request that may begin. Nothing is counted until it is taken. */
export interface Admission {
  /** Where the limits stand once it is taken. */
  rateLimit: RateLimit;
  /** Counts it, and notes what is under way from now on. @returns whether its end has to be told. */
  take(holder: Holder): Promise<boolean>;
}

/** Who is under way: a response, until it has ended; a call, until it is told to be over, or so many milliseconds; or nobody. */
export type Holder =
  | { kind: 'response'; id: string }
  | { kind: 'call'; id: string; forMs: number }
  | { kind: 'nobody' };

/**
 * Asks for one request; holds a lock on what limits it until the transaction ends.
 * @throws LimitReached
 */
export async function admitScopes(tx: Transaction<Tables>, limits: readonly ScopeLimits[]): Promise<Admission> {
  const rows = await lockBuckets(tx, limits);
  // Only now: what was let in while this one waited for its turn is to be seen.
  const underWay = await countUnderWay(tx, limits);
  const now = Math.max(...rows.map((row) => row.now.getTime()));
  const decision = decide(usesOf(limits, rows, underWay), now);
  if (!decision.admitted) throw new LimitReached(decision.refusal);
  const { uses, rateLimit } = decision;
  return { rateLimit, take: (holder) => take(tx, uses, holder) };
}

/** Where the limits of a key stand that asks for nothing. */
export async function readRateLimit(database: Kysely<Tables>, limits: readonly ScopeLimits[]): Promise<RateLimit> {
  const rows = await database
    .selectFrom('limit_buckets')
    .selectAll()
    .select(CLOCK)
    .where('scope', 'in', scopesOf(limits))
    .execute();
  const now = Math.max(0, ...rows.map((row) => row.now.getTime()));
  return rateLimitOf(usesOf(limits, rows, new Map()), now);
}

/** Those of a response's scopes that are told of its tokens and its end; null for none. */
export function settledScopes(limits: readonly ScopeLimits[]): string[] | null {
  const scopes = scopesOf(limits.filter((each) => each.tokensPerMinute !== null || each.concurrency !== null));
  return scopes.length > 0 ? scopes : null;
}

type BucketRow = Selectable<Tables['limit_buckets']> & { now: Date };

const CLOCK = sql<Date>`clock_timestamp()`.as('now');

/** In the order of their names, so that no two transactions wait for each other. */
async function lockBuckets(tx: Transaction<Tables>, limits: readonly ScopeLimits[]): Promise<BucketRow[]> {
  const rates = limits.map((each) => each.tokensPerMinute);
  const { rows } = await sql<BucketRow>`
    INSERT INTO limit_buckets (scope, tokens_per_minute)
    SELECT scope, rate FROM unnest(${scopesOf(limits)}::text[], ${rates}::integer[]) AS asked (scope, rate) ORDER BY scope
    ON CONFLICT (scope) DO UPDATE SET tokens_per_minute = EXCLUDED.tokens_per_minute
    RETURNING limit_buckets.*, clock_timestamp() AS now`.execute(tx);
  return rows;
}

async function countUnderWay(
  tx: Transaction<Tables>,
  limits: readonly ScopeLimits[],
): Promise<ReadonlyMap<string, number>> {
  const limited = limits.filter((each) => each.concurrency !== null);
  if (limited.length === 0) return new Map();
  const rows = await tx
    .selectFrom('limit_leases')
    .select(['scope', (count) => count.fn.countAll<string>().as('leases')])
    .where('scope', 'in', scopesOf(limited))
    .where((lease) =>
      lease.or([lease('expires_at', 'is', null), lease('expires_at', '>', sql<Date>`clock_timestamp()`)]),
    )
    .groupBy('scope')
    .execute();
  return new Map(rows.map(({ scope, leases }) => [scope, Number(leases)]));
}

function usesOf(
  limits: readonly ScopeLimits[],
  rows: readonly BucketRow[],
  underWay: ReadonlyMap<string, number>,
): ScopeUse[] {
  const found = new Map(rows.map((row) => [row.scope, row]));
  return limits.map((each) => {
    const row = found.get(each.scope);
    return {
      limits: each,
      requests: { used: row?.requests_used ?? 0, at: row?.requests_at.getTime() ?? 0 },
      tokens: { used: row?.tokens_used ?? 0, at: row?.tokens_at.getTime() ?? 0 },
      underWay: underWay.get(each.scope) ?? 0,
    };
  });
}

async function take(tx: Transaction<Tables>, uses: readonly ScopeUse[], holder: Holder): Promise<boolean> {
  const counted = uses.filter(({ limits }) => limits.requestsPerMinute !== null);
  if (counted.length > 0) {
    const scopes = counted.map(({ limits }) => limits.scope);
    const used = counted.map(({ requests }) => requests.used);
    const at = counted.map(({ requests }) => new Date(requests.at));
    await sql`
      UPDATE limit_buckets SET requests_used = counted.used, requests_at = counted.at
      FROM unnest(${scopes}::text[], ${used}::double precision[], ${at}::timestamptz[]) AS counted (scope, used, at)
      WHERE limit_buckets.scope = counted.scope`.execute(tx);
  }
  const leases = leasesOf(
    uses.map(({ limits }) => limits),
    holder,
  );
  if (leases.length > 0) await tx.insertInto('limit_leases').values(leases).execute();
  return leases.length > 0;
}

function leasesOf(limits: readonly ScopeLimits[], holder: Holder): InsertObject<Tables, 'limit_leases'>[] {
  switch (holder.kind) {
    case 'response':
      return scopesOf(limits.filter((each) => each.concurrency !== null)).map((scope) => ({
        scope,
        holder: holder.id,
        expires_at: null,
      }));
    case 'call': {
      // It is stored nowhere else: what charges its tokens finds its scopes here.
      const expires_at = sql<Date>`clock_timestamp() + ${holder.forMs} * interval '1 millisecond'`;
      return (settledScopes(limits) ?? []).map((scope) => ({ scope, holder: holder.id, expires_at }));
    }
    case 'nobody':
      return [];
  }
}

function scopesOf(limits: readonly ScopeLimits[]): string[] {
  return limits.map((each) => each.scope);
}
