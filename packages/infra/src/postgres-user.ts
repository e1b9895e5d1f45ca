import { stat } from 'node:fs/promises';
import { runCommand } from './command.ts';

/** A user other than root. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Who runs the Postgres server: undefined for the current user; when that is root, whom Postgres refuses, the owner of
 * the data that is there already, or else `nobody`.
 */
export async function serverUser(dataDir: string): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  try {
    const { uid, gid } = await stat(dataDir);
    if (uid !== 0) return { uid, gid };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const [uid, gid] = await Promise.all([idOf('-u'), idOf('-g')]);
  return { uid, gid };
}

/** Whether that user can enter a folder, all the folders above it included. */
export async function canEnter(dir: string, user: ServerUser): Promise<boolean> {
  return shellSays('cd "$1"', dir, user);
}

/** Whether a shell's command, run as that user with the path as `$1`, ends with status 0. */
export async function shellSays(command: string, path: string, user: ServerUser): Promise<boolean> {
  try {
    await runCommand('/bin/sh', ['-c', command, 'sh', path], { cwd: '/', env: { PATH: process.env.PATH }, user });
    return true;
  } catch {
    return false;
  }
}

async function idOf(option: '-u' | '-g'): Promise<number> {
  // macOS prints the id of nobody as a negative number; the kernel takes it as an unsigned one.
  return Number(await runCommand('id', [option, 'nobody'])) >>> 0;
}
