import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer, type Log, startPostgres } from '@tailrace/infra';

/** The servers that a test run stands on. */
export interface TestInfra {
  /** A Postgres in which each stack makes a database of its own. */
  postgresUrl: string;
  stop(): Promise<void>;
}

const log: Log = (line) => process.stderr.write(`${line}\n`);

/** Throw-away servers of this machine: the `nats-server` that stacks will find, and one embedded Postgres. */
export async function embeddedInfra(): Promise<TestInfra> {
  const { version, source } = await findNatsServer({ log });
  log(`nats-server ${version} (${source})`);
  const dir = await mkdtemp(join(tmpdir(), 'tailrace-test-'));
  const postgres = await startPostgres({ dir: join(dir, 'postgres'), fast: true, log });
  return {
    postgresUrl: postgres.url,
    async stop() {
      await postgres.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
