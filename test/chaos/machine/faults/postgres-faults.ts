/** What happens to Postgres. */
import { setTimeout as sleep } from 'node:timers/promises';
import { withDatabase } from './database.ts';
import type { Heal } from './fault.ts';
import { holdConnections } from './held-connections.ts';
import type { ChaosSystem } from './system.ts';

const POLL_MS = 20;

/** By their kinds. */
export const POSTGRES_FAULTS = {
  'postgres-killed': async ({ infra: { postgres } }: ChaosSystem): Promise<Heal> => {
    await postgres.kill();
    return () => postgres.start();
  },

  'postgres-frozen': async ({ infra: { postgres } }: ChaosSystem): Promise<Heal> => {
    await postgres.freeze();
    return () => postgres.thaw();
  },

  /** Ends cleanly and is started again at once. */
  'postgres-restarted': async ({ infra: { postgres } }: ChaosSystem): Promise<Heal> => {
    await postgres.stop();
    await postgres.start();
    return () => postgres.start();
  },

  /** Nobody gets a connection, and whoever had one has lost it. */
  'postgres-exhausted': ({ infra: { databaseUrl } }: ChaosSystem): Promise<Heal> => holdConnections(databaseUrl),

  /** Refuses to write, as it does when its disk is full or it has become a standby. */
  'postgres-read-only': async ({ infra: { databaseUrl } }: ChaosSystem): Promise<Heal> => {
    await setReadOnly(databaseUrl, true);
    return () => setReadOnly(databaseUrl, false);
  },
};

async function setReadOnly(url: string, isReadOnly: boolean): Promise<void> {
  await withDatabase(url, async (client) => {
    await client.query(
      isReadOnly
        ? 'ALTER SYSTEM SET default_transaction_read_only = on'
        : 'ALTER SYSTEM RESET default_transaction_read_only',
    );
    await client.query('SELECT pg_reload_conf()');
    while ((await isReadOnlyNow(client)) !== isReadOnly) await sleep(POLL_MS);
  });
}

async function isReadOnlyNow(client: { query(text: string): Promise<{ rows: unknown[] }> }): Promise<boolean> {
  const { rows } = await client.query('SHOW default_transaction_read_only');
  return (rows[0] as { default_transaction_read_only: string }).default_transaction_read_only === 'on';
}
