/** Measured values, and exact percentiles of them. */

/** What a row of the table shows of a set of values. */
export interface Summary {
  count: number;
  p50: number;
  p99: number;
}

/** The value below or at which a share `p` (0 to 1) of the values lies: the nearest rank, no interpolation. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.max(1, Math.ceil(p * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** Count, median and 99th percentile. Of no values the latter are not a number. */
export function summarise(values: readonly number[]): Summary {
  return { count: values.length, p50: percentile(values, 0.5), p99: percentile(values, 0.99) };
}
