import { join } from 'node:path';
import pg from 'pg';
import { startGuarded } from './guarded-process.ts';
import type { Log } from './log.ts';
import { openLogFile } from './log-file.ts';
import { findBinaries } from './postgres-binaries.ts';
import { clearLeftovers, ensureCluster, POSTGRES_STAGES, SUPERUSER, serverEnv } from './postgres-cluster.ts';
import { dataDirOf, openHome, removeHome } from './postgres-home.ts';
import { serverUser } from './postgres-user.ts';
import { launch, type RunningServer, ServerNotReady } from './server-start.ts';
import { until } from './until.ts';

const DATABASE = 'tailrace';
const MAX_CONNECTIONS = 200;
const READY_WITHIN_MS = 60_000;
const PROBE_MS = 2_000;
const AFTER_CRASH_MS = 10_000;

/** How to start Postgres. */
export interface PostgresOptions {
  /** Folder for the cluster, its password and its log; made when needed, kept when the server stops. */
  readonly dir: string;
  /** Preferred port; the next free one when it is taken. Any free one when left out. */
  readonly port?: number | undefined;
  /** Fail when `port` is taken. */
  readonly strictPort?: boolean | undefined;
  /** Address to listen on; 127.0.0.1 by default. */
  readonly host?: string | undefined;
  readonly log: Log;
  /** For throw-away servers: does not wait for the disk, so that a crash of the machine loses the data. */
  readonly fast?: boolean | undefined;
  /** Gives up, leaving no process behind, when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts the PostgreSQL that npm installed, after stopping one that still runs on the same folder, and resolves once it
 * answers and has the database `tailrace`. As root it runs as another user, without making one.
 *
 * @throws Error that says what to do when it cannot run here, or does not become ready within 60 s.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningServer> {
  const { host = '127.0.0.1', fast = false, log, signal } = options;
  const user = await serverUser(await dataDirOf(options.dir));
  const binaries = await findBinaries(user, log);
  const home = await openHome(options.dir, user, log);
  const crashed = await clearLeftovers(home.dataDir, log);
  const password = await ensureCluster({ binaries, home, user, fast, log, signal });

  const output = await openLogFile(join(home.dir, 'postgres.log'));
  const begin = () =>
    launch({
      name: 'postgres',
      listening: { host, port: options.port, strictPort: options.strictPort },
      logPath: output.path,
      readyWithinMs: READY_WITHIN_MS,
      signal,
      run: (port) =>
        startGuarded({
          file: binaries.postgres,
          args: serverArgs({ dataDir: home.dataDir, host, port, fast }),
          cwd: home.dataDir,
          env: serverEnv(),
          user,
          outputFd: output.fd,
          stages: POSTGRES_STAGES,
        }),
      probe: (port) => probe(urlOf(host, port, password, 'postgres')),
    });
  try {
    const { process: server, port } = crashed ? await persist(begin, signal) : await begin();
    return {
      url: urlOf(host, port, password, DATABASE),
      pid: server.pid,
      port,
      exited: server.exited,
      stop: async () => {
        await server.stop();
      },
    };
  } finally {
    output.close();
  }
}

/** Removes what {@link startPostgres} has put into a folder, and its data elsewhere if it had to go there. */
export async function removePostgres(dir: string, log: Log): Promise<void> {
  await clearLeftovers(await dataDirOf(dir), log);
  await removeHome(dir);
}

/** Backends of a killed server may take a moment to notice, and until then Postgres refuses to start on their memory. */
async function persist<T>(begin: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  let failure: unknown;
  const begun = await until(
    async () => {
      try {
        return { value: await begin() };
      } catch (error) {
        if (!(error instanceof ServerNotReady)) throw error;
        failure = error;
        return undefined;
      }
    },
    { forMs: AFTER_CRASH_MS, everyMs: 200, signal },
  );
  if (begun === undefined) throw failure;
  return begun.value;
}

interface ServerSettings {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly fast: boolean;
}

/** The server's command line. */
export function serverArgs({ dataDir, host, port, fast }: ServerSettings): string[] {
  const settings: Record<string, string> = {
    listen_addresses: host,
    port: String(port),
    // Everybody connects over TCP; a socket would need a folder with a short path.
    unix_socket_directories: '',
    max_connections: String(MAX_CONNECTIONS),
    logging_collector: 'off',
    ...(fast ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
  };
  return ['-D', dataDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

function urlOf(host: string, port: number, password: string, database: string): string {
  return `postgres://${SUPERUSER}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
}

/** Connects and makes the database; true once both worked, undefined while the server is not ready. */
async function probe(url: string): Promise<true | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: PROBE_MS });
  // A connection that breaks later than the attempt is of no interest: the next look tells.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch {
    return undefined;
  }
  try {
    const found = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (found.rowCount === 0) await client.query(`create database ${DATABASE}`);
    return true;
  } finally {
    await client.end();
  }
}
