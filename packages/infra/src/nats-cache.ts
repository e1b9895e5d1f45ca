import { randomUUID } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { versionOf } from './nats-version.ts';
import type { NatsWay } from './nats-way.ts';

const PREFIX = 'nats-server-';

/** The project's cache: copies that an earlier start downloaded, built or unpacked. */
export const cacheWay: NatsWay = {
  name: 'cache',
  async find({ cacheDir }) {
    const names = await namesIn(cacheDir);
    // Newest first; the names end in the version.
    const newest = names
      .filter((name) => name.startsWith(PREFIX) && !name.endsWith('.tmp'))
      .toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }))
      .at(0);
    if (newest === undefined) throw new Error(`nothing in ${cacheDir} yet`);
    return join(cacheDir, newest);
  },
};

/**
 * Puts a binary into the cache under its version's name and returns the path there. Written beside and renamed, so a
 * reader sees a whole file or none, and two processes may do this at once.
 *
 * @throws Error when the binary does not run or is too old.
 */
export async function keep(cacheDir: string, binary: string): Promise<string> {
  await mkdir(cacheDir, { recursive: true });
  const temporary = join(cacheDir, `${PREFIX}${randomUUID()}.tmp`);
  try {
    await copyFile(binary, temporary);
    await chmod(temporary, 0o755);
    const path = join(cacheDir, `${PREFIX}${await versionOf(temporary)}`);
    await rename(temporary, path);
    return path;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Runs `work` with a new folder of its own, removed afterwards. */
export async function inTemporaryFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
