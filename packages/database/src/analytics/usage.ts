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

/** What a group of calls has used. Counts are whole numbers below 2^53. */
export interface UsageRow {
  /** The beginning of the group's slice; null where the span is not cut. */
  slice: Date | null;
  /** The group's values: one for each dimension that was asked for. */
  values: Partial<Record<Dimension, string | null>>;
  modelCalls: number;
  toolCalls: number;
  /** Calls that did not come to a good end, those that were interrupted included. */
  failedCalls: number;
  /** Calls whose worker died. */
  interruptedCalls: number;
  /** Calls of models whose upstream has told no tokens. */
  unmeteredCalls: number;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  /** The exact sum as a decimal; null when no call had a price. */
  cost: string | null;
}

/** The usage of a page of groups, in their order, and of one more where there is one. */
export async function readUsage(
  database: Kysely<Tables>,
  selection: Selection,
  grouping: Grouping,
): Promise<UsageRow[]> {
  const { rows } = await usageQuery(selection, grouping).execute(database);
  return rows.map((row) => ({
    slice: row.slice,
    values: Object.fromEntries(grouping.by.map((dimension) => [dimension, row[dimension]])),
    modelCalls: Number(row.model_calls),
    toolCalls: Number(row.tool_calls),
    failedCalls: Number(row.failed_calls),
    interruptedCalls: Number(row.interrupted_calls),
    unmeteredCalls: Number(row.unmetered_calls),
    inputTokens: Number(row.input_tokens),
    cachedTokens: Number(row.cached_tokens),
    outputTokens: Number(row.output_tokens),
    reasoningTokens: Number(row.reasoning_tokens),
    cost: row.cost,
  }));
}

type Row = Record<Dimension, string | null> & {
  slice: Date | null;
  cost: string | null;
} & Record<
    | 'model_calls'
    | 'tool_calls'
    | 'failed_calls'
    | 'interrupted_calls'
    | 'unmetered_calls'
    | 'input_tokens'
    | 'cached_tokens'
    | 'output_tokens'
    | 'reasoning_tokens',
    string
  >;

/** The statement of {@link readUsage}. */
export function usageQuery(selection: Selection, { by, slice, limit, after }: Grouping) {
  const dimensions = sql.join([sql`slice`, ...by.map((dimension) => sql.ref(dimension))]);
  return sql<Row>`
    SELECT * FROM (
      SELECT ${dimensions},
        count(*) FILTER (WHERE kind = 'model') AS model_calls,
        count(*) FILTER (WHERE kind = 'tool') AS tool_calls,
        count(error_code) AS failed_calls,
        count(*) FILTER (WHERE error_code = 'interrupted') AS interrupted_calls,
        count(*) FILTER (WHERE kind = 'model' AND input_tokens IS NULL) AS unmetered_calls,
        coalesce(sum(input_tokens), 0) AS input_tokens,
        coalesce(sum(cached_tokens), 0) AS cached_tokens,
        coalesce(sum(output_tokens), 0) AS output_tokens,
        coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
        trim_scale(sum(cost))::text AS cost
      FROM (SELECT call.*, ${sliceOf(slice)} AS slice FROM (${callsQuery(startingAt(selection, after))}) AS call) AS sliced
      GROUP BY ${dimensions}
    ) AS usage
    WHERE ${beyond(after, by)}
    ORDER BY ${orderOf(by)}
    LIMIT ${limit + 1}`;
}
