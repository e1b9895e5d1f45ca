/** How long clients waited for the next event after a fault. */
import type { FaultRecord, ResponseRecord } from './record/index.ts';

/** Faults whose harm is done when they begin: what they hit comes back, or is replaced, without a heal. */
export type IsOver = (kind: string) => boolean;

/** What is known of the shape of a response beside its record. */
export type QuietOf = (response: ResponseRecord) => number;

/** Scripts that are silent for longer by themselves say nothing about a fault. */
const MOST_QUIET_MS = 500;

/**
 * Milliseconds from each fault (from its beginning if that is all there is to it, else from its heal) to the next event of
 * each response that was being streamed, ascending.
 */
export function recoveryTimes(
  faults: readonly FaultRecord[],
  responses: readonly ResponseRecord[],
  { isOver, quietOf }: { isOver: IsOver; quietOf: QuietOf },
): number[] {
  const watched = responses.filter((response) => quietOf(response) <= MOST_QUIET_MS).map(arrivals);
  return faults
    .flatMap(({ kind, from, to }) => {
      const since = isOver(kind) ? from : to;
      return watched.flatMap((times) => nextAfter(times, since));
    })
    .sort((a, b) => a - b);
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
