import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailed, runCommand } from './command.ts';
import type { StopStage } from './guard-protocol.ts';

const POLL_MS = 20;

/** The command line of a running process, its words joined by blanks; undefined when there is no such process. */
export async function commandLineOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return ps(pid, 'args');
  const text = await readProc(`/proc/${pid}/cmdline`);
  return text === undefined || text === '' ? undefined : text.replaceAll('\0', ' ').trim();
}

/**
 * A text that names one process for as long as the machine runs: its pid is given to others later, this is not.
 * Undefined when there is no such process.
 */
export async function identityOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') {
    const started = await ps(pid, 'lstart');
    return started === undefined ? undefined : `${pid} ${started}`;
  }
  const stat = await readProc(`/proc/${pid}/stat`);
  const boot = await readProc('/proc/sys/kernel/random/boot_id');
  if (stat === undefined) return undefined;
  // The second field is the name in brackets, which may hold anything; the 22nd is the start time, the 3rd the state.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : `${pid} ${fields[19]} ${boot?.trim()}`;
}

/**
 * Stops a process left over by an earlier run, if `pid` is still that process: its command line has to hold `mark`.
 *
 * @returns whether there was one.
 * @throws Error when it survives every stage and SIGKILL.
 */
export async function stopLeftover(pid: number, mark: string, stages: readonly StopStage[]): Promise<boolean> {
  const isIt = async () => (await commandLineOf(pid))?.includes(mark) === true;
  if (!(await isIt())) return false;
  for (const stage of [...stages, { signal: 'SIGKILL', waitMs: 5_000 } as const]) {
    signalTo(pid, stage.signal);
    const deadline = Date.now() + stage.waitMs;
    while (Date.now() < deadline) {
      if (!(await isIt())) return true;
      await sleep(POLL_MS);
    }
  }
  throw new Error(`process ${pid} (${mark}) of an earlier run does not end`);
}

/** Sends a signal; returns false when there is no such process. */
export function signalTo(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

async function ps(pid: number, column: 'args' | 'lstart'): Promise<string | undefined> {
  try {
    const text = (await runCommand('ps', ['-ww', '-o', `${column}=`, '-p', String(pid)])).trim();
    return text === '' ? undefined : text;
  } catch (error) {
    // `ps` ends with status 1 when no process was selected.
    if (error instanceof CommandFailed && error.stderr === '') return undefined;
    throw error;
  }
}
