import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityOf, type Log, removePostgres } from '@tailrace/infra';

const ATTEMPTS = 5;

/** Somebody else runs a stack on the data directory. */
export class DataDirInUse extends Error {
  constructor(dir: string, pid: number) {
    super(
      `Tailrace runs on ${dir} already (process ${pid}); its addresses are in ${join(dir, 'run.json')}. ` +
        'Stop it first, or choose another folder with --data-dir.',
    );
    this.name = 'DataDirInUse';
  }
}

/** A data directory that nobody else uses. */
export interface DataDir {
  /** Absolute, without symbolic links. */
  readonly path: string;
  /** Lets others use it. */
  release(): Promise<void>;
}

/**
 * Makes a data directory and takes it for this process. What a process that has died left behind does not count.
 *
 * @throws DataDirInUse
 */
export async function openDataDir(dir: string): Promise<DataDir> {
  await mkdir(dir, { recursive: true });
  const path = await realpath(dir);
  // As root, the database's user has to pass through; what is inside has its own modes.
  if (process.getuid?.() === 0) await chmod(path, ((await stat(path)).mode & 0o777) | 0o011);
  const lock = join(path, 'lock');
  await take(lock, path);
  return { path, release: () => rm(lock, { force: true }) };
}

/** Empties a data directory of what a stack puts there, and of nothing else: the folder may be a user's own. */
export async function emptyDataDir(path: string, log: Log): Promise<void> {
  await removePostgres(join(path, 'postgres'), log);
  for (const name of ['nats', 'logs', 'keys.json', 'config.yaml', 'run.json']) {
    await rm(join(path, name), { recursive: true, force: true });
  }
}

/** Writes a file only its owner reads; a reader sees the old content or the new, never a part. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Makes the lock file, whole from the first moment, with the identity of this process in it. */
async function take(lock: string, dir: string): Promise<void> {
  const identity = await identityOf(process.pid);
  if (identity === undefined) throw new Error('this process is not in the process table');
  const own = `${lock}.${randomUUID()}.tmp`;
  await writeFile(own, identity, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (await linked(own, lock)) return;
      const holder = await holderOf(lock);
      if (holder !== undefined) throw new DataDirInUse(dir, holder);
      await putAside(lock, dir);
    }
    throw new Error(`${lock} cannot be had: others take it again and again`);
  } finally {
    await rm(own, { force: true });
  }
}

/** Removes a lock whose holder has died. Whoever took it in the meantime gets it back. */
async function putAside(lock: string, dir: string): Promise<void> {
  const aside = `${lock}.${randomUUID()}.tmp`;
  try {
    await rename(lock, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const holder = await holderOf(aside);
  if (holder !== undefined) await linked(aside, lock);
  await rm(aside, { force: true });
  if (holder !== undefined) throw new DataDirInUse(dir, holder);
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** The process that holds a lock, if it is alive. */
async function holderOf(lock: string): Promise<number | undefined> {
  try {
    const identity = await readFile(lock, 'utf8');
    const pid = Number.parseInt(identity, 10);
    return Number.isSafeInteger(pid) && (await identityOf(pid)) === identity ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
