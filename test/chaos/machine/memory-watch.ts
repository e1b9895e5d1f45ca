/** How much memory each process of a stack takes, second by second. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { MemorySample } from './record/index.ts';
import { epochMs } from './workload/index.ts';

const run = promisify(execFile);
const EVERY_MS = 1_000;
const METRICS_MS = 900;
const KIBI = 1_024;
const STREAMS = /^tailrace_gateway_streams(?:\{[^}]*\})? (\d+)$/m;

/** A process to watch. */
export interface WatchedProcess {
  role: string;
  pid: number;
  url?: string;
}

/** Watches until it is stopped. */
export class MemoryWatch {
  readonly samples: MemorySample[] = [];
  readonly #processes: () => readonly WatchedProcess[];
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> = Promise.resolve();
  #isLooking = false;

  constructor(processes: () => readonly WatchedProcess[]) {
    this.#processes = processes;
    this.#timer = setInterval(() => this.#begin(), EVERY_MS);
  }

  /** No look is under way when it resolves. @throws whatever a look has failed by. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  #begin(): void {
    // On a busy machine a look may take longer than a second.
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#looking = this.#looking
      .then(() => this.#look())
      .finally(() => {
        this.#isLooking = false;
      });
    // A failure is told by stop().
    void Promise.allSettled([this.#looking]);
  }

  async #look(): Promise<void> {
    const watched = this.#processes();
    const at = epochMs();
    const [resident, ...connections] = await Promise.all([
      residentBytes(watched.map(({ pid }) => pid)),
      ...watched.map(({ role, url }) => (role === 'gateway' && url !== undefined ? openStreams(url) : undefined)),
    ]);
    for (const [index, { pid, role }] of watched.entries()) {
      const rss = resident.get(pid);
      // It has ended in between: it is not there any more, or has nothing any more.
      if (rss === undefined || rss === 0) continue;
      const count = connections[index];
      this.samples.push({ pid, role, at, rss, ...(count === undefined ? {} : { connections: count }) });
    }
  }
}

async function residentBytes(pids: readonly number[]): Promise<Map<number, number>> {
  if (pids.length === 0) return new Map();
  const lines = await listed(pids);
  return new Map(
    lines.flatMap((line): [number, number][] => {
      const [pid, kibibytes] = line.trim().split(/\s+/).map(Number);
      return pid === undefined || kibibytes === undefined ? [] : [[pid, kibibytes * KIBI]];
    }),
  );
}

async function listed(pids: readonly number[]): Promise<string[]> {
  try {
    return (await run('ps', ['-o', 'pid=,rss=', '-p', pids.join(',')])).stdout.trim().split('\n');
  } catch (error) {
    // Its way to say that there is none of them.
    if ((error as { code?: unknown }).code === 1) return [];
    throw error;
  }
}

/** Streams that a gateway has open; undefined while it does not answer. */
async function openStreams(url: string): Promise<number | undefined> {
  try {
    const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(METRICS_MS) });
    const [, count] = STREAMS.exec(await answer.text()) ?? [];
    return count === undefined ? undefined : Number(count);
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) return undefined;
    throw error;
  }
}
