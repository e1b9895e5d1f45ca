/** Keys in Postgres: only hashes, and no secret is ever two keys'. */
import type { Tables } from '@tailrace/database';
import { ApiError } from '@tailrace/protocol';
import type { Entry, LimitsEntry } from '@tailrace/registry';
import { type Insertable, sql, type Transaction } from 'kysely';

type Tx = Transaction<Tables>;

/** A key as it is said, but for its secret. */
export type KeyFacts = Omit<Entry<'keys'>, 'key'>;

/**
 * Makes a key, or brings it up to date. Without a hash the secret stays as it is.
 * @param hash of the secret that it shall have.
 * @returns whether it was there before.
 * @throws ApiError `missing_required_parameter`, `key_taken`
 */
export async function putKey(tx: Tx, facts: KeyFacts, hash: string | null): Promise<boolean> {
  const present = await findKey(tx, facts.name);
  if (!present && hash === null) {
    throw new ApiError('missing_required_parameter', { param: 'key' }, { param: 'key' });
  }
  if (hash !== null && hash !== present?.hash) {
    await refuseTaken(tx, hash);
    if (present) await retire(tx, facts.name, [present.hash, present.previous_hash]);
  }
  await writeKey(tx, facts, hash ?? present?.hash ?? '', false);
  return present !== undefined;
}

/**
 * Makes a key.
 * @throws ApiError `entry_exists`, `key_taken`
 */
export async function createKey(tx: Tx, facts: KeyFacts, hash: string): Promise<void> {
  const { name } = facts;
  if (await findKey(tx, name)) throw new ApiError('entry_exists', { kind: 'key', name }, { param: 'name' });
  await refuseTaken(tx, hash);
  await writeKey(tx, facts, hash, false);
}

/**
 * Applies a key of a file. A secret that was revoked or rotated away does not come back: a key that is there keeps its own,
 * one that is not there stays away.
 * @returns whether it is in force with the file's secret.
 * @throws ApiError `key_taken` when it is another key's.
 */
export async function applyKey(tx: Tx, facts: KeyFacts, hash: string): Promise<boolean> {
  const { name } = facts;
  const present = await findKey(tx, name);
  const retired = await isRetired(tx, hash);
  if (retired && !present) return false;
  if (!retired && hash !== present?.hash) await refuseHeld(tx, hash, name);
  await writeKey(tx, facts, retired && present ? present.hash : hash, true);
  return !retired || present?.hash === hash;
}

/**
 * Gives a key another secret. The present one is honoured until `graceMs` from now.
 * @throws ApiError `entry_not_found`, `key_taken`
 */
export async function rotateKey(tx: Tx, name: string, hash: string, graceMs: number): Promise<void> {
  const present = await findKey(tx, name);
  if (!present) throw new ApiError('entry_not_found', { kind: 'key', name });
  await refuseTaken(tx, hash);
  await retire(tx, name, [present.hash, present.previous_hash]);
  const grace =
    graceMs === 0
      ? { previous_hash: null, previous_expires_at: null }
      : {
          previous_hash: present.hash,
          previous_expires_at: sql<Date>`now() + ${graceMs / 1_000} * interval '1 second'`,
        };
  await tx
    .updateTable('registry_keys')
    .set({ hash, ...grace })
    .where('name', '=', name)
    .execute();
}

/**
 * Revokes a key for good.
 * @throws ApiError `entry_not_found`
 */
export async function revokeKey(tx: Tx, name: string): Promise<void> {
  const removed = await tx
    .deleteFrom('registry_keys')
    .where('name', '=', name)
    .returning(['hash', 'previous_hash'])
    .executeTakeFirst();
  if (!removed) throw new ApiError('entry_not_found', { kind: 'key', name });
  await retire(tx, name, [removed.hash, removed.previous_hash]);
}

/** Limits as columns. */
export function limitColumns(limits: LimitsEntry) {
  const { requests_per_minute, tokens_per_minute, concurrency } = limits;
  return { requests_per_minute, tokens_per_minute, concurrency };
}

async function writeKey(tx: Tx, facts: KeyFacts, hash: string, fromFile: boolean): Promise<void> {
  const { name, owner, groups, expires_at, limits } = facts;
  const row = {
    hash,
    owner: owner ?? name,
    groups,
    expires_at: expires_at === null ? null : new Date(expires_at),
    ...limitColumns(limits),
  };
  const values: Insertable<Tables['registry_keys']> = {
    name,
    ...row,
    previous_hash: null,
    previous_expires_at: null,
    from_file: fromFile,
  };
  await tx
    .insertInto('registry_keys')
    .values(values)
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet({
        ...row,
        // With another secret the one before the last rotation is over, too.
        previous_hash: sql`CASE WHEN registry_keys.hash = ${hash} THEN registry_keys.previous_hash END`,
        previous_expires_at: sql`CASE WHEN registry_keys.hash = ${hash} THEN registry_keys.previous_expires_at END`,
      }),
    )
    .execute();
}

async function findKey(tx: Tx, name: string) {
  return tx.selectFrom('registry_keys').select(['hash', 'previous_hash']).where('name', '=', name).executeTakeFirst();
}

async function isRetired(tx: Tx, hash: string): Promise<boolean> {
  const row = await tx.selectFrom('registry_retired_keys').select('hash').where('hash', '=', hash).executeTakeFirst();
  return row !== undefined;
}

async function refuseTaken(tx: Tx, hash: string): Promise<void> {
  if (await isRetired(tx, hash)) throw new ApiError('key_taken', {}, { param: 'key' });
  await refuseHeld(tx, hash, null);
}

async function refuseHeld(tx: Tx, hash: string, but: string | null): Promise<void> {
  const holder = await tx
    .selectFrom('registry_keys')
    .select('name')
    .where(({ or, eb }) => or([eb('hash', '=', hash), eb('previous_hash', '=', hash)]))
    .where(sql<boolean>`name IS DISTINCT FROM ${but}`)
    .executeTakeFirst();
  if (holder) throw new ApiError('key_taken', {}, { param: 'key' });
}

async function retire(tx: Tx, name: string, hashes: readonly (string | null)[]): Promise<void> {
  const rows = hashes.flatMap((hash) => (hash === null ? [] : [{ hash, name, retired_at: sql<Date>`now()` }]));
  await tx
    .insertInto('registry_retired_keys')
    .values(rows)
    .onConflict((conflict) => conflict.column('hash').doNothing())
    .execute();
}
