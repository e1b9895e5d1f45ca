/** `GET /admin/v1/usage`: what was called, by whom, and what it cost. */
import { readUsage, type UsageRow } from '@tailrace/database';
import { validate } from '@tailrace/protocol';
import { z } from 'zod';
import type { GatewayContext } from '../context.ts';
import { fromDatabase } from '../database-read.ts';
import { pageToken } from './page-token.ts';
import { groupFields, groupOf, readSpan, spanOf, spanQuery } from './span-query.ts';

const DAY_S = 24 * 60 * 60;
const LIMITS = { hours: 31 * DAY_S, days: 400 * DAY_S };

const count = z.int().min(0);

/** What a group of calls has used. Each call counts once, retries and failovers too. */
export const usageLine = z.strictObject({
  object: z.literal('usage'),
  /** Seconds since the epoch; the end is not part of the span. */
  start_time: z.int(),
  end_time: z.int(),
  ...groupFields,
  model_calls: count,
  tool_calls: count,
  /** Calls that did not come to a good end, the interrupted ones among them. */
  failed_calls: count,
  /** Calls whose worker died: that they were made is all that is known of them. */
  interrupted_calls: count,
  /** Calls of models whose upstream has told no tokens. */
  unmetered_calls: count,
  input_tokens: count,
  cached_tokens: count,
  output_tokens: count,
  reasoning_tokens: count,
  /** In the operator's currency, exactly; null when no call had a price. */
  cost: z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .nullable(),
});

/** A page of lines, by time, then by their values. */
export const usageList = z.strictObject({
  object: z.literal('list'),
  data: z.array(usageLine),
  has_more: z.boolean(),
  next_page: z.string().nullable(),
});
export type UsageList = z.output<typeof usageList>;

/** Answers a query. @throws ApiError `invalid_value`, `unavailable` */
export async function usage(context: Pick<GatewayContext, 'database'>, query: unknown): Promise<UsageList> {
  const span = readSpan(validate(spanQuery, query), LIMITS, Date.now());
  const rows = await fromDatabase(() => readUsage(context.database, span.selection, span.grouping));
  const page = rows.slice(0, span.grouping.limit);
  const last = page.at(-1);
  const more = rows.length > page.length && last !== undefined;
  const line = (row: UsageRow) => ({
    object: 'usage' as const,
    ...spanOf(row.slice, span),
    ...groupOf(row.values),
    model_calls: row.modelCalls,
    tool_calls: row.toolCalls,
    failed_calls: row.failedCalls,
    interrupted_calls: row.interruptedCalls,
    unmetered_calls: row.unmeteredCalls,
    input_tokens: row.inputTokens,
    cached_tokens: row.cachedTokens,
    output_tokens: row.outputTokens,
    reasoning_tokens: row.reasoningTokens,
    cost: row.cost,
  });
  return {
    object: 'list',
    data: page.map(line),
    has_more: more,
    next_page: more
      ? pageToken({ slice: last.slice, values: span.grouping.by.map((name) => last.values[name] ?? null) })
      : null,
  };
}
