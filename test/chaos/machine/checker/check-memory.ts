/** I8: the memory of a process is bounded, whatever its clients and upstreams do. */
import type { MemorySample, RunRecord } from '../record/index.ts';
import type { Violation } from './violation.ts';

/** What a process may take. Bytes. */
export interface MemoryBound {
  base: number;
  /** For each connected client, beyond its socket. */
  perConnection: number;
}

/** The processes that took more than their role may, each at its worst moment. */
export function checkMemory({ memory, faults }: RunRecord, boundOf: (role: string) => MemoryBound): Violation[] {
  const worst = new Map<number, { sample: MemorySample; over: number }>();
  for (const sample of memory) {
    const { base, perConnection } = boundOf(sample.role);
    const over = sample.rss - base - perConnection * (sample.connections ?? 0);
    if (over > (worst.get(sample.pid)?.over ?? 0)) worst.set(sample.pid, { sample, over });
  }
  return [...worst.values()].map(({ sample, over }) => ({
    invariant: 'I8' as const,
    responseIndex: null,
    id: null,
    what: `${sample.role} (pid ${sample.pid}) took ${mib(sample.rss)}, ${mib(over)} more than it may`,
    timeline: [
      ...memory.filter(({ pid }) => pid === sample.pid).map(({ at, rss }) => ({ at, text: mib(rss) })),
      ...faults.map(({ from, to, kind, target }) => ({
        at: from,
        text: `fault ${kind} of ${target} for ${to - from} ms`,
      })),
    ]
      .sort((a, b) => a.at - b.at)
      .map(({ at, text }) => `${new Date(at).toISOString()} ${text}`),
  }));
}

const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
