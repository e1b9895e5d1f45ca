import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, sep } from 'node:path';
import type { Log } from './log.ts';
import { canEnter, type ServerUser } from './postgres-user.ts';

const RECORD = 'data-is-in';
const OWNER = 'data-of';
const BASES = ['/var/lib', '/var/tmp'];

/** Folders of a Postgres server. */
export interface PostgresHome {
  /** The folder the caller named: password, log. */
  readonly dir: string;
  /** The cluster's data, under `dir` or, where the server's user cannot reach that, in a folder of the system. */
  readonly dataDir: string;
}

/**
 * Decides where a server's data lives, and makes the folders above it. As root, with `dir` out of reach of the user the
 * server runs as (a clone under /root), the data goes to a folder under /var, which a file in `dir` records.
 */
export async function openHome(path: string, user: ServerUser | undefined, log: Log): Promise<PostgresHome> {
  const dir = await makeFolder(path);
  if (user === undefined) return { dir, dataDir: join(dir, 'data') };
  const recorded = await recordedHome(dir);
  if (recorded !== undefined) return { dir, dataDir: join(recorded, 'data') };
  // Others may pass through this folder; what is inside has its own modes.
  await chmod(dir, ((await stat(dir)).mode & 0o777) | 0o011);
  if (await canEnter(dir, user)) return { dir, dataDir: join(dir, 'data') };
  const base = await sharedBase(user);
  await sweep(base);
  const away = join(base, nameOf(dir));
  // A home nobody recorded belonged to a folder that was deleted since.
  await rm(away, { recursive: true, force: true });
  await mkdir(away, { mode: 0o711 });
  await chmod(away, 0o711);
  await writeFile(join(away, OWNER), `${dir}\n`, { mode: 0o600 });
  await writeFile(join(dir, RECORD), `${away}\n`, { mode: 0o600 });
  log(`postgres: ${dir} is out of reach of the user it runs as, so its data is in ${away}`);
  return { dir, dataDir: join(away, 'data') };
}

/** Where the data of a folder lies now, for the look before {@link openHome}; it need not exist. */
export async function dataDirOf(path: string): Promise<string> {
  const dir = await makeFolder(path);
  return join((await recordedHome(dir)) ?? dir, 'data');
}

/** Removes a folder and the data it has elsewhere. No server may run on it. */
export async function removeHome(path: string): Promise<void> {
  const dir = await makeFolder(path);
  const recorded = await recordedHome(dir);
  if (recorded !== undefined) await rm(recorded, { recursive: true, force: true });
  await rm(dir, { recursive: true, force: true });
}

/** A folder under /var that only root writes to and the user can pass through. */
export async function sharedBase(user: ServerUser): Promise<string> {
  for (const base of BASES) {
    const dir = join(base, 'tailrace');
    if (!(await canEnter(base, user))) continue;
    await mkdir(dir, { recursive: true, mode: 0o711 });
    const seen = await lstat(dir);
    // /var/tmp is everybody's: a folder somebody else has put there is not to be trusted.
    if (!seen.isDirectory() || seen.uid !== 0 || (seen.mode & 0o022) !== 0) continue;
    await chmod(dir, 0o711);
    return dir;
  }
  throw new Error(
    `postgres cannot run as root, and no folder for it was found under ${BASES.join(' or ')}. ` +
      'Start as another user, or set DATABASE_URL to a server that runs already.',
  );
}

/**
 * Removes the homes of temporary folders that are gone: nobody else will. Other folders may only be out of sight, on a
 * disk that comes back.
 */
async function sweep(base: string): Promise<void> {
  const temporary = `${await realpath(tmpdir())}${sep}`;
  for (const name of await readdir(base)) {
    const owner = await readLine(join(base, name, OWNER));
    if (owner === undefined || !owner.startsWith(temporary) || (await exists(owner))) continue;
    await rm(join(base, name), { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function makeFolder(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  return realpath(path);
}

async function recordedHome(dir: string): Promise<string | undefined> {
  const home = await readLine(join(dir, RECORD));
  // The record of a copied folder names the original's data.
  return home !== undefined && basename(home) === nameOf(dir) ? home : undefined;
}

async function readLine(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function nameOf(dir: string): string {
  return `postgres-${createHash('sha256').update(dir).digest('hex').slice(0, 16)}`;
}
