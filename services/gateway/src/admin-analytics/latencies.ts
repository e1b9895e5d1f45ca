/** `GET /admin/v1/latencies`: how long models and tools take. */
import { type LatencyRow, type Percentiles, readLatencies } from '@tailrace/database';
import { validate } from '@tailrace/protocol';
import { z } from 'zod';
import type { GatewayContext } from '../context.ts';
import { fromDatabase } from '../database-read.ts';
import { pageToken } from './page-token.ts';
import { groupFields, groupOf, readSpan, spanOf, spanQuery } from './span-query.ts';

const DAY_S = 24 * 60 * 60;
const LIMITS = { hours: 7 * DAY_S, days: 31 * DAY_S };

/** Of single calls, in milliseconds, interpolated. */
const percentiles = z.strictObject({
  /** How many calls they are made of. */
  count: z.int().min(0),
  p50: z.number(),
  p90: z.number(),
  p95: z.number(),
  p99: z.number(),
});

/** How long the calls of a group took: those that came to a good end. */
export const latencyLine = z.strictObject({
  object: z.literal('latency'),
  kind: z.enum(['model', 'tool']),
  /** Seconds since the epoch; the end is not part of the span. */
  start_time: z.int(),
  end_time: z.int(),
  ...groupFields,
  /** Of models: from the request to the first token of output. */
  first_token_ms: percentiles.nullable(),
  /** Of models: from one token of output to the next, on the average of each call. */
  output_token_ms: percentiles.nullable(),
  /** Of whole calls. */
  duration_ms: percentiles.nullable(),
});

/** A page of lines, by time, then models before tools, then by their values. */
export const latencyList = z.strictObject({
  object: z.literal('list'),
  data: z.array(latencyLine),
  has_more: z.boolean(),
  next_page: z.string().nullable(),
});
export type LatencyList = z.output<typeof latencyList>;

/** Answers a query. @throws ApiError `invalid_value`, `unavailable` */
export async function latencies(context: Pick<GatewayContext, 'database'>, query: unknown): Promise<LatencyList> {
  // A line's kind is one of its values.
  const span = readSpan(validate(spanQuery, query), LIMITS, Date.now(), 1);
  const rows = await fromDatabase(() => readLatencies(context.database, span.selection, span.grouping));
  const page = rows.slice(0, span.grouping.limit);
  const last = page.at(-1);
  const more = rows.length > page.length && last !== undefined;
  const line = (row: LatencyRow) => ({
    object: 'latency' as const,
    kind: row.kind,
    ...spanOf(row.slice, span),
    ...groupOf(row.values),
    first_token_ms: rounded(row.firstToken),
    output_token_ms: rounded(row.outputToken),
    duration_ms: rounded(row.duration),
  });
  return {
    object: 'list',
    data: page.map(line),
    has_more: more,
    next_page: more
      ? pageToken({
          slice: last.slice,
          values: [last.kind, ...span.grouping.by.map((name) => last.values[name] ?? null)],
        })
      : null,
  };
}

/** To a microsecond: what is finer is not there. */
function rounded(values: Percentiles | null): Percentiles | null {
  if (values === null) return null;
  const round = (value: number) => Math.round(value * 1_000) / 1_000;
  const { count, p50, p90, p95, p99 } = values;
  return { count, p50: round(p50), p90: round(p90), p95: round(p95), p99: round(p99) };
}
