/** Carries out one change of the registry, in one transaction. */
import type { Database, Tables } from '@tailrace/database';
import type { AdminChange, Sealer } from '@tailrace/registry';
import type { Transaction } from 'kysely';
import { putEntry, removeEntry } from './registry-entries.ts';
import { createKey, putKey, revokeKey, rotateKey } from './registry-keys.ts';
import { refuseMissing } from './registry-references.ts';
import { changeRegistry } from './registry-store.ts';

/**
 * Commits a change.
 * @returns whether what it is about was there before.
 * @throws ApiError the change is refused, and nothing is changed.
 */
export async function applyChange(database: Database, sealer: Sealer, change: AdminChange): Promise<boolean> {
  const { existed } = await changeRegistry(database, async (tx) => {
    return { changed: true, existed: await applyIn(tx, sealer, change) };
  });
  return existed;
}

async function applyIn(tx: Transaction<Tables>, sealer: Sealer, change: AdminChange): Promise<boolean> {
  const writer = { tx, sealer, fromFile: false };
  switch (change.do) {
    case 'put_key':
      return putKey(tx, change.key, change.hash);
    case 'create_key':
      await createKey(tx, change.key, change.hash);
      return false;
    case 'rotate_key':
      await rotateKey(tx, change.name, change.hash, change.grace_ms);
      return true;
    case 'put_group':
      return putEntry(writer, { section: 'groups', entry: change.entry });
    case 'put_model':
      return putEntry(writer, { section: 'models', entry: change.entry });
    case 'put_tool': {
      const existed = await putEntry(writer, { section: 'tools', entry: change.entry });
      await refuseMissing(tx, [change.entry.name]);
      return existed;
    }
    case 'put_webhook':
      return putEntry(writer, { section: 'webhooks', entry: change.entry });
    case 'remove':
      if (change.section === 'keys') await revokeKey(tx, change.name);
      else await removeEntry(tx, change.section, change.name);
      return true;
  }
}
