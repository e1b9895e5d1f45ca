import { type Kysely, sql } from 'kysely';
import type { Tables } from '../schema.ts';
import {
  beyond,
  callsQuery,
  type Dimension,
  type Grouping,
  orderOf,
  type Selection,
  sliceOf,
  startingAt,
} from './calls.ts';

/** Percentiles of some values, in milliseconds. */
export interface Percentiles {
  /** How many values there are. */
  count: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
}

/** How long the calls of a group took: of those that came to a good end. */
export interface LatencyRow {
  kind: 'model' | 'tool';
  slice: Date | null;
  values: Partial<Record<Dimension, string | null>>;
  /** From the request to the first token of output; null where nothing was measured, as the others. */
  firstToken: Percentiles | null;
  /** From one token of output to the next, on the average of each call. */
  outputToken: Percentiles | null;
  /** Of whole calls. */
  duration: Percentiles | null;
}

const PERCENTILES = [0.5, 0.9, 0.95, 0.99];

/**
 * The latencies of a page of groups, in their order, and of one more where there is one. Models and tools are never in one
 * group.
 */
export async function readLatencies(
  database: Kysely<Tables>,
  selection: Selection,
  grouping: Grouping,
): Promise<LatencyRow[]> {
  const { rows } = await latenciesQuery(selection, grouping).execute(database);
  return rows.map((row) => ({
    kind: row.kind,
    slice: row.slice,
    values: Object.fromEntries(grouping.by.map((dimension) => [dimension, row[dimension]])),
    firstToken: percentiles(row.first_token_count, row.first_token),
    outputToken: percentiles(row.output_token_count, row.output_token),
    duration: percentiles(row.duration_count, row.duration),
  }));
}

function percentiles(count: string, values: number[] | null): Percentiles | null {
  if (values === null) return null;
  const [p50 = 0, p90 = 0, p95 = 0, p99 = 0] = values;
  return { count: Number(count), p50, p90, p95, p99 };
}

type Row = Record<Dimension, string | null> & {
  kind: 'model' | 'tool';
  slice: Date | null;
  first_token: number[] | null;
  output_token: number[] | null;
  duration: number[] | null;
} & Record<'first_token_count' | 'output_token_count' | 'duration_count', string>;

/** The statement of {@link readLatencies}. The place of a page begins with the kind. */
export function latenciesQuery(selection: Selection, { by, slice, limit, after }: Grouping) {
  const dimensions = sql.join([sql`slice`, sql`kind`, ...by.map((dimension) => sql.ref(dimension))]);
  const order = ['kind', ...by];
  const over = (column: string) =>
    sql`percentile_cont(ARRAY[${sql.join(PERCENTILES.map((part) => sql.lit(part)))}]) WITHIN GROUP (ORDER BY ${sql.ref(column)})`;
  return sql<Row>`
    SELECT * FROM (
      SELECT ${dimensions},
        ${over('first_token_ms')} AS first_token, count(first_token_ms) AS first_token_count,
        ${over('output_token_ms')} AS output_token, count(output_token_ms) AS output_token_count,
        ${over('duration_ms')} AS duration, count(duration_ms) AS duration_count
      FROM (
        SELECT call.*, ${sliceOf(slice)} AS slice,
          CASE WHEN output_tokens > 1
            THEN (duration_ms - first_token_ms)::double precision / (output_tokens - 1) END AS output_token_ms
        FROM (${callsQuery(startingAt(selection, after))}) AS call
        WHERE error_code IS NULL
      ) AS sliced
      GROUP BY ${dimensions}
    ) AS latencies
    WHERE ${beyond(after, order)}
    ORDER BY ${orderOf(order)}
    LIMIT ${limit + 1}`;
}
