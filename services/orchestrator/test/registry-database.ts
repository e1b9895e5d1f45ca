/** A database of its own for one test file, and what is said to it. */
import { connectDatabase, type Database, migrate } from '@tailrace/database';
import { parseRegistryConfig, type RegistryConfig } from '@tailrace/registry';
import { inject } from 'vitest';
import { makeDatabase } from '../../../test/harness/database.ts';

/** A migrated database. */
export async function registryDatabase(): Promise<Database> {
  const url = await makeDatabase(inject('postgresUrl'));
  await migrate(url);
  return connectDatabase({
    url,
    name: 'test',
    connections: 4,
    timeoutMs: 10_000,
    prepare: true,
    onError: () => undefined,
  });
}

/** A configuration as a file would say it. */
export function configOf(value: Record<string, unknown>): RegistryConfig {
  return parseRegistryConfig(value, 'test', {});
}

/** Empties the registry. */
export async function emptyRegistry(database: Database): Promise<void> {
  await database.deleteFrom('registry_keys').execute();
  await database.deleteFrom('registry_groups').execute();
  await database.deleteFrom('registry_tools').execute();
  await database.deleteFrom('registry_models').execute();
  await database.deleteFrom('registry_webhooks').execute();
  await database.deleteFrom('registry_applied').execute();
  await database.deleteFrom('registry_retired_keys').execute();
}
