/** What usage and latencies are asked by: a span of time, a grouping, a selection, a page. */
import { DIMENSIONS, type Dimension, type Grouping, type Selection, type Slice } from '@tailrace/database';
import { ApiError } from '@tailrace/protocol';
import { z } from 'zod';
import { placeOf } from './page-token.ts';

const DAY_S = 24 * 60 * 60;

/** The longest span that a question may be about, in seconds. */
export interface SpanLimits {
  /** Of slices of an hour. */
  hours: number;
  /** Of slices of a day, and of no slices. */
  days: number;
}

const seconds = z.coerce.number().int().min(0).max(32_503_680_000);
const value = z.string().min(1).max(512).optional();

/** `a,b`, or the parameter several times. */
const dimensions = z
  .union([z.string(), z.array(z.string())])
  .transform((texts) => [texts].flat().flatMap((text) => text.split(',')))
  .refine((names) => names.every(isDimension), `it has to be some of ${DIMENSIONS.join(', ')}`)
  .transform((names) => [...new Set(names.filter(isDimension))]);

function isDimension(name: string): name is Dimension {
  return DIMENSIONS.some((each) => each === name);
}

/** The query. Times are seconds since the epoch; the end is not part of the span. */
export const spanQuery = z.strictObject({
  /** A day before the end when it is left out. */
  start_time: seconds.optional(),
  /** Now when it is left out. */
  end_time: seconds.optional(),
  /** One line for each hour or day, in UTC; left out, the span is one. */
  bucket_width: z.enum(['1h', '1d']).optional(),
  /** One line for each value of these. */
  group_by: dimensions.default([]),
  key: value,
  owner: value,
  endpoint: value,
  model: value,
  upstream: value,
  upstream_model: value,
  tool: value,
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  /** `next_page` of the page before. */
  page: z.string().max(8_192).optional(),
});

const SLICES: Record<'1h' | '1d', Slice> = { '1h': 'hour', '1d': 'day' };

/**
 * What a query asks for; `values` is how many values a group has beside those of its dimensions.
 * @throws ApiError `invalid_value`
 */
export function readSpan(
  query: z.output<typeof spanQuery>,
  limits: SpanLimits,
  now: number,
  values = 0,
): { selection: Selection; grouping: Grouping } {
  const { bucket_width: width, group_by: by, limit, page } = query;
  const to = query.end_time ?? Math.floor(now / 1_000) + 1;
  const from = query.start_time ?? to - DAY_S;
  if (from >= to) throw invalid('start_time', 'it is not before end_time');
  const most = width === '1h' ? limits.hours : limits.days;
  if (to - from > most) throw invalid('start_time', `the span is longer than ${most / DAY_S} days`);
  const after = page === undefined ? null : placeOf(page, by.length + values);
  if (after === undefined) throw invalid('page', 'it is not the next_page of such a list');
  const only: Partial<Record<Dimension, string>> = {};
  for (const name of DIMENSIONS) if (query[name] !== undefined) only[name] = query[name];
  return {
    selection: { from: new Date(from * 1_000), to: new Date(to * 1_000), only },
    grouping: { by, slice: width === undefined ? null : SLICES[width], limit, after },
  };
}

function invalid(param: string, reason: string): ApiError {
  return new ApiError('invalid_value', { param, reason }, { param });
}

/** The values by which lines are told apart: null where the list is not grouped by it, or the calls have none. */
export const groupFields = {
  key: z.string().nullable(),
  owner: z.string().nullable(),
  endpoint: z.string().nullable(),
  model: z.string().nullable(),
  upstream: z.string().nullable(),
  upstream_model: z.string().nullable(),
  tool: z.string().nullable(),
};

/** See {@link groupFields}. */
export function groupOf(values: Partial<Record<Dimension, string | null>>): Record<Dimension, string | null> {
  const { key, owner, endpoint, model, upstream, upstream_model, tool } = values;
  return {
    key: key ?? null,
    owner: owner ?? null,
    endpoint: endpoint ?? null,
    model: model ?? null,
    upstream: upstream ?? null,
    upstream_model: upstream_model ?? null,
    tool: tool ?? null,
  };
}

const SLICE_MS: Record<Slice, number> = { hour: 60 * 60_000, day: DAY_S * 1_000 };

/** The span that a line is about, in seconds since the epoch: its slice, as far as that was asked for. */
export function spanOf(
  slice: Date | null,
  { selection: { from, to }, grouping }: { selection: Selection; grouping: Grouping },
): { start_time: number; end_time: number } {
  const [start, end] = [from.getTime() / 1_000, to.getTime() / 1_000];
  if (slice === null || grouping.slice === null) return { start_time: start, end_time: end };
  const begin = slice.getTime() / 1_000;
  return { start_time: Math.max(start, begin), end_time: Math.min(end, begin + SLICE_MS[grouping.slice] / 1_000) };
}
