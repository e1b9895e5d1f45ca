/** What becomes known of a request after it was admitted: the tokens it has used, and its end. */
import type { Step } from '@tailrace/chain';
import { isTerminal, resultOf } from '@tailrace/chain';
import type { Tables } from '@tailrace/database';
import { type Kysely, sql, type Transaction } from 'kysely';
import { charged } from './bucket.ts';

/** What an entry of a response's chain tells its limits. */
export interface Settlement {
  responseId: string;
  /** The response's own note: `limit_scopes`. */
  scopes: readonly string[];
  /** The steps whose outcome the entry records: each is told once, so its tokens are charged once. */
  recorded: readonly Step[];
  ended: boolean;
}

/** Tells the limits of a response what an entry has brought; the last thing that its transaction does, for the sake of their locks. */
export async function settleResponse(tx: Transaction<Tables>, settlement: Settlement): Promise<void> {
  const { responseId, scopes, recorded, ended } = settlement;
  await chargeTokens(tx, scopes, tokensOf(recorded));
  if (ended) await tx.deleteFrom('limit_leases').where('holder', '=', responseId).execute();
}

/** The result of a relayed call has come: its tokens are charged and its place is free. Told again, it changes nothing. */
export async function settleCall(tx: Transaction<Tables>, id: string, tokens: number): Promise<void> {
  const leases = await tx.deleteFrom('limit_leases').where('holder', '=', id).returning('scope').execute();
  await chargeTokens(
    tx,
    leases.map(({ scope }) => scope),
    tokens,
  );
}

/** The places of relayed calls are free; what they have used is charged by their results. */
export async function releaseCalls(database: Kysely<Tables>, ids: readonly string[]): Promise<void> {
  await database
    .updateTable('limit_leases')
    .set({ expires_at: sql<Date>`LEAST(expires_at, clock_timestamp())` })
    .where('holder', '=', sql<string>`ANY (${ids}::uuid[])`)
    .where('expires_at', 'is not', null)
    .execute();
}

/** All tokens that these steps have used: model calls alone use any. */
export function tokensOf(recorded: readonly Step[]): number {
  return recorded.reduce((sum, step) => {
    if (step.kind !== 'model_call' || !isTerminal(step)) return sum;
    return sum + (resultOf(step.outcome)?.usage?.total_tokens ?? 0);
  }, 0);
}

async function chargeTokens(tx: Transaction<Tables>, scopes: readonly string[], tokens: number): Promise<void> {
  if (tokens <= 0 || scopes.length === 0) return;
  const rows = await tx
    .selectFrom('limit_buckets')
    .select(['scope', 'tokens_used', 'tokens_at', 'tokens_per_minute', sql<Date>`clock_timestamp()`.as('now')])
    .where('scope', 'in', scopes)
    .where('tokens_per_minute', 'is not', null)
    .orderBy('scope')
    .forUpdate()
    .execute();
  for (const { scope, tokens_used, tokens_at, tokens_per_minute, now } of rows) {
    const bucket = { used: tokens_used, at: tokens_at.getTime() };
    const { used, at } = charged(bucket, tokens_per_minute ?? 0, tokens, now.getTime());
    await tx
      .updateTable('limit_buckets')
      .set({ tokens_used: used, tokens_at: new Date(at) })
      .where('scope', '=', scope)
      .execute();
  }
}
