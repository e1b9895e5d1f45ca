/** The calls of models and of tools in one shape, as a query to be summed up. */
import { type RawBuilder, sql } from 'kysely';

/** What calls can be told apart by. */
export const DIMENSIONS = ['key', 'owner', 'endpoint', 'model', 'upstream', 'upstream_model', 'tool'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** Which calls: of a span of time (the end is not part of it), and of these and no other values. */
export interface Selection {
  from: Date;
  to: Date;
  only: Partial<Record<Dimension, string>>;
}

/** The width of the slices that a span is cut into, at full hours and days in UTC. */
export type Slice = 'hour' | 'day';

const MODEL_COLUMNS: Record<Dimension, string | null> = {
  key: 'key_name',
  owner: 'owner',
  endpoint: 'endpoint',
  model: 'model',
  upstream: 'upstream',
  upstream_model: 'upstream_model',
  tool: null,
};

const TOOL_COLUMNS: Record<Dimension, string | null> = {
  key: 'key_name',
  owner: 'owner',
  endpoint: null,
  model: null,
  upstream: null,
  upstream_model: null,
  tool: 'tool',
};

const MODEL_MEASURES = [
  'first_token_ms',
  'duration_ms',
  'input_tokens',
  'cached_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost',
];

/** The selected calls. A dimension that a call does not have is null. */
export function callsQuery(selection: Selection): RawBuilder<unknown> {
  const models = sql`
    SELECT 'model' AS kind, started_at, error_code, ${columns(MODEL_COLUMNS)},
      ${sql.join(MODEL_MEASURES.map((column) => sql.ref(column)))}
    FROM http_analytics WHERE ${conditions(selection, MODEL_COLUMNS)}`;
  const tools = sql`
    SELECT 'tool' AS kind, started_at, error_code, ${columns(TOOL_COLUMNS)},
      NULL, duration_ms, NULL, NULL, NULL, NULL, NULL
    FROM tool_call_analytics WHERE ${conditions(selection, TOOL_COLUMNS)}`;
  return sql`${models} UNION ALL ${tools}`;
}

function columns(names: Record<Dimension, string | null>): RawBuilder<unknown> {
  return sql.join(
    DIMENSIONS.map((dimension) => {
      const name = names[dimension];
      return sql`${name === null ? sql`NULL::text` : sql.ref(name)} AS ${sql.ref(dimension)}`;
    }),
  );
}

function conditions({ from, to, only }: Selection, names: Record<Dimension, string | null>): RawBuilder<unknown> {
  const wanted = DIMENSIONS.flatMap((dimension) => {
    const value = only[dimension];
    if (value === undefined) return [];
    const name = names[dimension];
    return [name === null ? sql`false` : sql`${sql.ref(name)} = ${value}`];
  });
  return sql.join([sql`started_at >= ${from}`, sql`started_at < ${to}`, ...wanted], sql` AND `);
}

/** The slice of a call; null where the span is not cut. */
export function sliceOf(slice: Slice | null): RawBuilder<unknown> {
  switch (slice) {
    case null:
      return sql`NULL::timestamptz`;
    case 'hour':
      return sql`date_trunc('hour', started_at, 'UTC')`;
    case 'day':
      return sql`date_trunc('day', started_at, 'UTC')`;
  }
}

/** How sums are told apart, and which page of them is wanted. */
export interface Grouping {
  by: readonly Dimension[];
  slice: Slice | null;
  limit: number;
  /** The place of the last group of the page before; null for the first page. */
  after: GroupPlace | null;
}

/** Where a group stands in the order of all: by its slice, then by its values. */
export interface GroupPlace {
  /** Null where the span is not cut. */
  slice: Date | null;
  /** One for each dimension of the grouping, in its order. */
  values: (string | null)[];
}

/** The expressions that an order of groups is made of: nulls stand where empty texts would. */
export function orderOf(dimensions: readonly string[]): RawBuilder<unknown> {
  return sql.join([
    sql`coalesce(slice, '-infinity')`,
    ...dimensions.map((name) => sql`coalesce(${sql.ref(name)}, '')`),
  ]);
}

/** The condition that leaves the groups after a place. */
export function beyond(place: GroupPlace | null, dimensions: readonly string[]): RawBuilder<unknown> {
  if (place === null) return sql`true`;
  const values = sql.join([
    sql`coalesce(${place.slice}::timestamptz, '-infinity')`,
    ...place.values.map((value) => sql`${value ?? ''}::text`),
  ]);
  return sql`ROW(${orderOf(dimensions)}) > ROW(${values})`;
}

/** The selection without the slices that come before a place. */
export function startingAt(selection: Selection, place: GroupPlace | null): Selection {
  const start = place?.slice;
  return start && start > selection.from ? { ...selection, from: start } : selection;
}
