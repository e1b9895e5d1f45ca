/** How much went on at once, as those who were called have seen it. */

/** When something began and ended, in milliseconds of one clock. */
export interface Span {
  from: number;
  to: number;
}

/** The most spans at once; where one ends as another begins, they do not meet. */
export function mostAtOnce(spans: readonly Span[]): number {
  const edges = spans
    .flatMap(({ from, to }) => [
      { at: from, by: 1 },
      { at: to, by: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.by - b.by);
  let now = 0;
  let most = 0;
  for (const { by } of edges) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}

/** The share of `limit` that was used from the first beginning to the last one, in the mean: 1 when there was never room. */
export function useOf(limit: number, spans: readonly Span[]): number {
  const from = Math.min(...spans.map((span) => span.from));
  const to = Math.max(...spans.map((span) => span.from));
  const used = spans.reduce((sum, span) => sum + Math.max(0, Math.min(span.to, to) - span.from), 0);
  return used / (limit * (to - from));
}
