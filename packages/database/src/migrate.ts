import { readdir, readFile } from 'node:fs/promises';
import { Kysely, type MigrationProvider, Migrator, PostgresDialect, sql } from 'kysely';
import { Pool } from 'pg';

const MIGRATIONS = new URL('../../../migrations/', import.meta.url);

/** The numbered SQL files, each applied once, in one transaction. There is no way back but a new file. */
const files: MigrationProvider = {
  async getMigrations() {
    const names = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql')).sort();
    const entries = await Promise.all(
      names.map(async (name) => {
        const text = await readFile(new URL(name, MIGRATIONS), 'utf8');
        const up = async (database: Kysely<unknown>) => {
          await sql.raw(text).execute(database);
        };
        return [name.replace(/\.sql$/, ''), { up }] as const;
      }),
    );
    return Object.fromEntries(entries);
  },
};

/**
 * Brings a database up to date; any number of processes may call it at once. Resolves with what was applied.
 * @throws the database's error; a migration that failed has changed nothing.
 */
export async function migrate(databaseUrl: string): Promise<{ applied: string[] }> {
  const database = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new Pool({ connectionString: databaseUrl, max: 1 }) }),
  });
  try {
    const migrator = new Migrator({
      db: database,
      provider: files,
      migrationTableName: 'tailrace_migrations',
      migrationLockTableName: 'tailrace_migrations_lock',
    });
    const { error, results } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    return { applied: (results ?? []).map((result) => result.migrationName) };
  } finally {
    await database.destroy();
  }
}
