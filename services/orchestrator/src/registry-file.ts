/** Applies the operator's file: what is new in it, or has changed in it since it was last applied. */
import type { Database, Tables } from '@tailrace/database';
import { ApiError } from '@tailrace/protocol';
import {
  hashKey,
  type RegistryConfig,
  RegistryConfigError,
  readRegistryConfig,
  SECTIONS,
  type Sealer,
  type Section,
} from '@tailrace/registry';
import { sql, type Transaction } from 'kysely';
import { type EntryWriter, putEntry } from './registry-entries.ts';
import { applyKey } from './registry-keys.ts';
import { refuseMissing, usersOf } from './registry-references.ts';
import { changeRegistry } from './registry-store.ts';

/** How a file is applied. */
export interface ApplyOptions {
  /** Whether entries that a file has made, and that this one does not name, are removed. */
  prune: boolean;
}

/** What applying a file came to. */
export interface Applied {
  changed: boolean;
  /** What an operator may not have expected. */
  warnings: string[];
}

/**
 * Applies the file of that name.
 * @returns what an operator may not have expected.
 * @throws RegistryConfigError
 */
export async function applyFile(
  database: Database,
  file: string,
  sealer: Sealer,
  options: ApplyOptions,
): Promise<string[]> {
  const config = await readRegistryConfig(file);
  try {
    return (await applyConfig(database, config, sealer, options)).warnings;
  } catch (error) {
    if (error instanceof ApiError) throw new RegistryConfigError(file, error.message, error);
    throw error;
  }
}

/**
 * Applies a configuration. An entry that it names as it did when it was last applied is left as it is, whatever the admin API
 * has made of it since then; any other entry is created, or brought up to date. What it does not name stays, unless it is
 * pruned.
 * @throws ApiError when an agent lacks its model or its tools, or a key's secret is another key's: nothing is applied.
 */
export async function applyConfig(
  database: Database,
  config: RegistryConfig,
  sealer: Sealer,
  { prune }: ApplyOptions = { prune: false },
): Promise<Applied> {
  return changeRegistry(database, async (tx) => {
    const warnings: string[] = [];
    const writer: EntryWriter = { tx, sealer, fromFile: true };
    const before = await appliedDigests(tx);
    const now = new Map<string, Digest>();
    const due = <S extends Section>(section: S) =>
      config[section].flatMap(({ entry, written }) => {
        const digest = { section, name: entry.name, digest: sealer.digest(written) };
        now.set(keyOf(digest), digest);
        return before.get(keyOf(digest)) === digest.digest ? [] : [entry];
      });
    const groups = due('groups');
    const keys = due('keys');
    const models = due('models');
    const tools = due('tools');
    const webhooks = due('webhooks');
    for (const entry of groups) await putEntry(writer, { section: 'groups', entry });
    for (const { key, ...facts } of keys) {
      if (await applyKey(tx, facts, hashKey(key))) continue;
      warnings.push(`the secret of the key '${facts.name}' was revoked or rotated away, and is not brought back`);
    }
    for (const entry of models) await putEntry(writer, { section: 'models', entry });
    for (const entry of tools) await putEntry(writer, { section: 'tools', entry });
    for (const entry of webhooks) await putEntry(writer, { section: 'webhooks', entry });
    await refuseMissing(
      tx,
      tools.map(({ name }) => name),
    );
    const pruned = prune ? await pruneAll(tx, config, warnings) : 0;
    await rememberDigests(tx, now);
    const written = groups.length + keys.length + models.length + tools.length + webhooks.length;
    return { changed: written + pruned > 0, warnings };
  });
}

interface Digest {
  section: Section;
  name: string;
  digest: string;
}

function keyOf({ section, name }: { section: string; name: string }): string {
  return `${section} ${name}`;
}

async function appliedDigests(tx: Transaction<Tables>): Promise<Map<string, string>> {
  const rows = await tx.selectFrom('registry_applied').selectAll().execute();
  return new Map(rows.map((row) => [keyOf(row), row.digest]));
}

/** What is not named any more is forgotten: when it is named again, it is new. */
async function rememberDigests(tx: Transaction<Tables>, digests: ReadonlyMap<string, Digest>): Promise<void> {
  await tx.deleteFrom('registry_applied').execute();
  if (digests.size > 0)
    await tx
      .insertInto('registry_applied')
      .values([...digests.values()])
      .execute();
}

/** Agents go before the models and tools that they need. @returns how many entries were removed. */
async function pruneAll(tx: Transaction<Tables>, config: RegistryConfig, warnings: string[]): Promise<number> {
  let removed = 0;
  for (const section of SECTIONS.toReversed()) {
    const named = config[section].map(({ entry }) => entry.name);
    const rows = await tx
      .selectFrom(`registry_${section}`)
      .select('name')
      .where('from_file', '=', true)
      .where(sql<boolean>`NOT name = ANY(${named}::text[])`)
      .orderBy('name')
      .execute();
    removed += await removeUnused(
      tx,
      section,
      rows.map(({ name }) => name),
      warnings,
    );
  }
  return removed;
}

/** Removes what nothing that stays needs. */
async function removeUnused(
  tx: Transaction<Tables>,
  section: Section,
  names: readonly string[],
  warnings: string[],
): Promise<number> {
  const leaving = new Set(names);
  for (let before = -1; before !== leaving.size; ) {
    before = leaving.size;
    for (const name of leaving) {
      const users = section === 'models' || section === 'tools' ? await usersOf(tx, section, name) : [];
      const staying = users.filter((user) => section === 'models' || !leaving.has(user));
      if (staying.length === 0) continue;
      leaving.delete(name);
      warnings.push(`'${name}' (${section}) stays although the file does not name it: ${staying.join(', ')} need it`);
    }
  }
  const gone = [...leaving];
  await tx.deleteFrom(`registry_${section}`).where('name', '=', sql<string>`ANY(${gone}::text[])`).execute();
  return gone.length;
}
