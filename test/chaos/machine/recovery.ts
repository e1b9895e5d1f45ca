/** How long clients waited for the next event after a fault. */
import type { FaultRecord, ResponseRecord } from './record/index.ts';

/** Faults whose harm is done when they begin, and which others of the role make up for without a heal. */
const REPLACED: ReadonlySet<string> = new Set(['process-killed', 'process-terminated', 'link-cut']);
/** Scripts that are silent for longer by themselves say nothing about a fault. */
const MOST_QUIET_MS = 500;

/**
 * Milliseconds from each fault (from its beginning when others could make up for what it hit, else from its heal) to the
 * next event of each response that was being streamed, ascending.
 *
 * @param quietOf for how long a response's script is silent by itself; milliseconds.
 */
export function recoveryTimes(
  faults: readonly FaultRecord[],
  responses: readonly ResponseRecord[],
  quietOf: (response: ResponseRecord) => number,
): number[] {
  const watched = responses.filter((response) => quietOf(response) <= MOST_QUIET_MS).map(arrivals);
  return faults
    .flatMap((fault) => {
      const since = isMadeUpFor(fault, faults) ? fault.from : fault.to;
      return watched.flatMap((times) => nextAfter(times, since));
    })
    .sort((a, b) => a - b);
}

/** Whether there was another of the role all the time. */
function isMadeUpFor(fault: FaultRecord, all: readonly FaultRecord[]): boolean {
  if (!REPLACED.has(fault.kind)) return false;
  return !all.some(
    (other) => other !== fault && other.from <= fault.to && other.to >= fault.from && isRelated(other, fault),
  );
}

/** Whether two faults hit the same role, or one hits what everybody stands on. */
function isRelated(one: FaultRecord, other: FaultRecord): boolean {
  const [role] = other.target.split(' ');
  return one.target.split(' ')[0] === role || !one.target.includes(' ');
}

/** When each event was first seen by any of the clients, ascending. */
function arrivals({ clients }: ResponseRecord): number[] {
  const first = new Map<string, number>();
  for (const { frames } of clients) {
    for (const { at, text } of frames) first.set(text, Math.min(first.get(text) ?? Number.POSITIVE_INFINITY, at));
  }
  return [...first.values()].sort((a, b) => a - b);
}

function nextAfter(times: readonly number[], since: number): number[] {
  const [begun] = times;
  if (begun === undefined || begun > since) return [];
  const next = times.find((at) => at > since);
  return next === undefined ? [] : [next - since];
}

/** The value below which so many of the sorted values are; undefined when there are none. */
export function percentile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
}
