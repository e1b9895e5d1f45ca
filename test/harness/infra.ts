import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer, type Log, startPostgres } from '@tailrace/infra';

/** Where the servers of a test run come from: this machine, or images. */
export type InfraKind = 'embedded' | 'containers';

/** The servers that a test run stands on. */
export interface TestInfra {
  kind: InfraKind;
  /** A Postgres in which each stack makes a database of its own. */
  postgresUrl: string;
  stop(): Promise<void>;
}

/** A NATS that one stack has to itself: the names of its streams are fixed. */
export interface StackNats {
  url: string;
  stop(): Promise<void>;
}

/** Tells people where a test run's servers come from. */
export const log: Log = (line) => process.stderr.write(`${line}\n`);

/** What `TEST_INFRA` asks for: `embedded` by default. */
export function chosenInfra({ TEST_INFRA: chosen }: NodeJS.ProcessEnv): InfraKind {
  if (chosen === undefined || chosen === '' || chosen === 'embedded') return 'embedded';
  if (chosen === 'containers') return 'containers';
  throw new Error(`TEST_INFRA is "${chosen}"; it has to be "embedded" or "containers".`);
}

/** Starts what all test files share. */
export async function startInfra(kind: InfraKind): Promise<TestInfra> {
  if (kind === 'embedded') return embeddedInfra();
  // Loaded only here: it takes a while, and needs Docker.
  const { containerInfra } = await import('./containers.ts');
  return containerInfra();
}

/** A NATS for one stack; undefined when the stack is to start one itself, as it does from embedded servers. */
export async function stackNats(kind: InfraKind): Promise<StackNats | undefined> {
  if (kind === 'embedded') return undefined;
  const { startContainerNats } = await import('./containers.ts');
  return startContainerNats();
}

/** Throw-away servers of this machine: the `nats-server` that stacks will find, and one embedded Postgres. */
async function embeddedInfra(): Promise<TestInfra> {
  const { version, source } = await findNatsServer({ log });
  log(`nats-server ${version} (${source})`);
  const dir = await mkdtemp(join(tmpdir(), 'tailrace-test-'));
  // As root, Postgres runs as another user, who has to get through.
  await chmod(dir, 0o755);
  const postgres = await startPostgres({ dir: join(dir, 'postgres'), fast: true, log });
  return {
    kind: 'embedded',
    postgresUrl: postgres.url,
    async stop() {
      await postgres.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
