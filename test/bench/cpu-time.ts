/** How much processor time each part of a stack uses; known on Linux only. */
import { readdir, readFile } from 'node:fs/promises';

/** CPU milliseconds by the name of the part. */
export type CpuTimes = ReadonlyMap<string, number>;

/** A process of the stack; the times of its children count as its own. */
export interface MeasuredProcess {
  name: string;
  pid: number;
}

/** A tick of `/proc/<pid>/stat` on every Linux that Node runs on, in milliseconds. */
const TICK_MS = 10;

/** What the processes have used since they started; empty where it cannot be known. */
export async function cpuTimes(processes: readonly MeasuredProcess[]): Promise<CpuTimes> {
  if (process.platform !== 'linux') return new Map();
  const names = new Map(processes.map(({ pid, name }) => [pid, name]));
  // In the order of the processes, so that tables of several runs have the same columns.
  const times = new Map([...names.values()].map((name) => [name, 0]));
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  for (const stat of await Promise.all(pids.map(readStat))) {
    if (!stat) continue;
    const own = names.get(stat.pid);
    const name = own ?? names.get(stat.parent);
    if (name === undefined) continue;
    // What a child has used is its parent's once it has ended: connections to Postgres come and go.
    times.set(name, (times.get(name) ?? 0) + stat.ms + (own === undefined ? 0 : stat.endedChildrenMs));
  }
  return times;
}

/** What was used between two looks. */
export function cpuBetween(before: CpuTimes, after: CpuTimes): CpuTimes {
  return new Map([...after].map(([name, ms]) => [name, ms - (before.get(name) ?? 0)]));
}

/** Both together. */
export function cpuSum(a: CpuTimes, b: CpuTimes): CpuTimes {
  return new Map(
    [...new Set([...a.keys(), ...b.keys()])].map((name) => [name, (a.get(name) ?? 0) + (b.get(name) ?? 0)]),
  );
}

interface Stat {
  pid: number;
  parent: number;
  ms: number;
  endedChildrenMs: number;
}

async function readStat(pid: number): Promise<Stat | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
  // The name of the program, in brackets, may hold anything; the numbers follow it. See proc_pid_stat(5).
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const ticks = (first: number) => ((fields[first] ?? 0) + (fields[first + 1] ?? 0)) * TICK_MS;
  return { pid, parent: fields[1] ?? 0, ms: ticks(11), endedChildrenMs: ticks(13) };
}
