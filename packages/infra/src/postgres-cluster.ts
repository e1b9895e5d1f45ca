import { randomBytes, randomUUID } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runGuarded } from './guarded-command.ts';
import type { Log } from './log.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import type { PostgresHome } from './postgres-home.ts';
import type { ServerUser } from './postgres-user.ts';
import { commandLineOf, stopLeftover } from './process-table.ts';
import { readPidFile } from './server-start.ts';

const INITDB_MS = 120_000;

/** The database user that owns everything in a cluster. */
export const SUPERUSER = 'tailrace';

/** Fast shutdown, then immediate shutdown. */
export const POSTGRES_STAGES = [
  { signal: 'SIGINT', waitMs: 10_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
] as const;

/** How to make a cluster. */
export interface ClusterOptions {
  readonly binaries: PostgresBinaries;
  readonly home: PostgresHome;
  readonly user: ServerUser | undefined;
  /** Leaves the files to the operating system to write; for data nobody misses. */
  readonly fast: boolean;
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
}

/** The environment of the server's programs: nothing of the caller's `PG…` variables reaches them. */
export function serverEnv(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}

/**
 * Makes a cluster, unless the folder has one, and returns its password. A cluster appears whole or not at all, whatever
 * interrupts its making.
 *
 * @throws Error that says what to do when the data was made by another major version or its password is gone.
 */
export async function ensureCluster(options: ClusterOptions): Promise<string> {
  const { binaries, home } = options;
  const passwordFile = join(home.dir, 'password');
  const made = await readText(join(home.dataDir, 'PG_VERSION'));
  const known = await readText(passwordFile);
  if (made !== undefined) {
    if (made !== binaries.major) {
      throw new Error(
        `the data in ${home.dataDir} was made by PostgreSQL ${made}, and this is ${binaries.major}. ` +
          'Move it away, or begin with empty data (--fresh).',
      );
    }
    if (known !== undefined) return known;
    throw new Error(`${passwordFile} is gone, and with it the way into the data. Begin with empty data (--fresh).`);
  }
  const password = known ?? randomBytes(24).toString('base64url');
  if (known === undefined) await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  await initialise(options, password);
  return password;
}

async function initialise({ binaries, home, user, fast, log, signal }: ClusterOptions, password: string) {
  const work = join(dirname(home.dataDir), `new-${randomUUID()}`);
  await mkdir(work, { mode: 0o700 });
  try {
    const passwordFile = join(work, 'password');
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (user !== undefined) {
      await chown(passwordFile, user.uid, user.gid);
      await chown(work, user.uid, user.gid);
    }
    log('postgres: making a new database cluster');
    const args = [`--pgdata=${join(work, 'data')}`, `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`];
    args.push('--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-instructions');
    if (fast) args.push('--no-sync');
    await runGuarded(binaries.initdb, args, { dir: work, env: serverEnv(), timeoutMs: INITDB_MS, signal, user });
    await rm(home.dataDir, { recursive: true, force: true });
    await rename(join(work, 'data'), home.dataDir);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Stops a server that still runs on the data, and takes away a pid file that names a process which is something else by
 * now: Postgres would take that one for its own and refuse to start.
 *
 * @returns whether the last server ended without cleaning up.
 */
export async function clearLeftovers(dataDir: string, log: Log): Promise<boolean> {
  const pidFile = join(dataDir, 'postmaster.pid');
  const pid = await readPidFile(pidFile);
  if (pid === undefined) return false;
  if (await stopLeftover(pid, dataDir, POSTGRES_STAGES)) {
    log(`postgres: stopped process ${pid} of an earlier run`);
  } else if ((await commandLineOf(pid)) !== undefined) {
    await rm(pidFile, { force: true });
  }
  return true;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
