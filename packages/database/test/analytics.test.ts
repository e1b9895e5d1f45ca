/** Sums and percentiles of calls, against rows that are known. */
import { newId } from '@tailrace/protocol';
import type { Insertable } from 'kysely';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { makeDatabase } from '../../../test/harness/database.ts';
import {
  connectDatabase,
  type Database,
  type Dimension,
  type Grouping,
  type HttpAnalyticsTable,
  migrate,
  readLatencies,
  readUsage,
  type Selection,
  type ToolCallAnalyticsTable,
} from '../src/index.ts';

let database: Database;

const DAY = Date.UTC(2031, 4, 1);
const HOUR_MS = 60 * 60_000;

const whole: Selection = { from: new Date(DAY), to: new Date(DAY + 48 * HOUR_MS), only: {} };
const grouped = (by: readonly Dimension[], change: Partial<Grouping> = {}): Grouping => {
  return { by, slice: null, limit: 100, after: null, ...change };
};

async function bookModel(at: number, change: Partial<Insertable<HttpAnalyticsTable>> = {}): Promise<void> {
  const row = {
    response_id: newId(at),
    id: newId(at),
    response_step_id: newId(at),
    attempt: 1,
    call: 1,
    owner: 'team',
    key_name: 'alice',
    endpoint: 'responses' as const,
    model: 'small',
    upstream: 'http://one',
    upstream_model: 'small-1',
    status: 200,
    ttfb_ms: 5,
    first_token_ms: 10,
    duration_ms: 110,
    error_code: null,
    input_tokens: 100,
    cached_tokens: 10,
    output_tokens: 11,
    reasoning_tokens: 1,
    cost: 0.000_1,
    started_at: new Date(at),
    recorded_at: new Date(at),
  };
  await database
    .insertInto('http_analytics')
    .values({ ...row, ...change })
    .execute();
}

async function bookTool(at: number, change: Partial<Insertable<ToolCallAnalyticsTable>> = {}): Promise<void> {
  const row = {
    response_id: newId(at),
    id: newId(at),
    response_step_id: newId(at),
    attempt: 1,
    call: 1,
    owner: 'team',
    key_name: 'alice',
    tool: 'look',
    status: 200,
    duration_ms: 40,
    error_code: null,
    started_at: new Date(at),
    recorded_at: new Date(at),
  };
  await database
    .insertInto('tool_call_analytics')
    .values({ ...row, ...change })
    .execute();
}

const FAILED = { input_tokens: null, cached_tokens: null, output_tokens: null, reasoning_tokens: null, cost: null };
const CUT = { ...FAILED, status: null, ttfb_ms: null, first_token_ms: null, duration_ms: null };

beforeAll(async () => {
  const url = await makeDatabase(inject('postgresUrl'));
  await migrate(url);
  database = connectDatabase({
    url,
    name: 'test',
    connections: 2,
    prepare: true,
    timeoutMs: 10_000,
    onError: () => undefined,
  });
  await bookModel(DAY - 1);
  await bookModel(DAY + 48 * HOUR_MS);
  await bookModel(DAY);
  await bookModel(DAY + 1_000, { ...FAILED, status: 503, error_code: 'upstream_error', upstream: 'http://two' });
  await bookModel(DAY + 2_000, { ...CUT, error_code: 'interrupted' });
  await bookModel(DAY + HOUR_MS, { key_name: 'bob', owner: 'others', model: 'large', cost: 0.2, duration_ms: 210 });
  await bookModel(DAY + 25 * HOUR_MS, { key_name: 'bob', owner: 'others', cost: 0.1, duration_ms: 310 });
  await bookModel(DAY + 26 * HOUR_MS, {
    key_name: null,
    owner: null,
    endpoint: 'embeddings',
    output_tokens: 0,
    cost: null,
  });
  await bookTool(DAY);
  await bookTool(DAY + 500, { duration_ms: null, status: null, error_code: 'interrupted' });
  await bookTool(DAY + 25 * HOUR_MS, { tool: 'pay', duration_ms: 60, key_name: 'bob', owner: 'others' });
});
afterAll(() => database?.destroy());

describe('usage', () => {
  test('of a span counts each call once, and tokens where they were told', async () => {
    expect(await readUsage(database, whole, grouped([]))).toEqual([
      {
        slice: null,
        values: {},
        modelCalls: 6,
        toolCalls: 3,
        failedCalls: 3,
        interruptedCalls: 2,
        unmeteredCalls: 2,
        inputTokens: 400,
        cachedTokens: 40,
        outputTokens: 33,
        reasoningTokens: 4,
        cost: '0.3001',
      },
    ]);
  });

  test.each<[Dimension, Record<string, [models: number, tools: number]>]>([
    ['key', { alice: [3, 2], bob: [2, 1], null: [1, 0] }],
    ['owner', { team: [3, 2], others: [2, 1], null: [1, 0] }],
    ['model', { small: [5, 0], large: [1, 0], null: [0, 3] }],
    ['upstream', { 'http://one': [5, 0], 'http://two': [1, 0], null: [0, 3] }],
    ['upstream_model', { 'small-1': [6, 0], null: [0, 3] }],
    ['endpoint', { responses: [5, 0], embeddings: [1, 0], null: [0, 3] }],
    ['tool', { look: [0, 2], pay: [0, 1], null: [6, 0] }],
  ])('by %s adds up to the whole', async (dimension, expected) => {
    const rows = await readUsage(database, whole, grouped([dimension]));
    const found = rows.map(({ values, modelCalls, toolCalls }) => [String(values[dimension]), [modelCalls, toolCalls]]);
    expect(Object.fromEntries(found)).toEqual(expected);
  });

  test('by hour and by day is told where something was', async () => {
    const hours = await readUsage(database, whole, grouped([], { slice: 'hour' }));
    expect(hours.map(({ slice, modelCalls }) => [slice, modelCalls])).toEqual([
      [new Date(DAY), 3],
      [new Date(DAY + HOUR_MS), 1],
      [new Date(DAY + 25 * HOUR_MS), 1],
      [new Date(DAY + 26 * HOUR_MS), 1],
    ]);
    const days = await readUsage(database, whole, grouped(['key'], { slice: 'day' }));
    expect(days.map(({ slice, values, cost }) => [slice, values.key, cost])).toEqual([
      [new Date(DAY), 'alice', '0.0001'],
      [new Date(DAY), 'bob', '0.2'],
      [new Date(DAY + 24 * HOUR_MS), null, null],
      [new Date(DAY + 24 * HOUR_MS), 'bob', '0.1'],
    ]);
  });

  test.each<[Selection['only'], number, number]>([
    [{ key: 'alice' }, 3, 2],
    [{ key: 'alice', model: 'small' }, 3, 0],
    [{ tool: 'pay' }, 0, 1],
    [{ tool: 'pay', model: 'small' }, 0, 0],
    [{ key: 'nobody' }, 0, 0],
  ])('of %j only', async (only, models, tools) => {
    const [row] = await readUsage(database, { ...whole, only }, grouped([]));
    expect([row?.modelCalls ?? 0, row?.toolCalls ?? 0]).toEqual([models, tools]);
  });

  test('comes page by page, each line once', async () => {
    const by = ['key', 'model', 'tool'] as const;
    const all = await readUsage(database, whole, grouped(by, { slice: 'day' }));
    const paged: typeof all = [];
    for (let after: Grouping['after'] = null; ; ) {
      const rows = await readUsage(database, whole, grouped(by, { slice: 'day', limit: 1, after }));
      const [line] = rows;
      if (line) paged.push(line);
      if (!line || rows.length === 1) break;
      after = { slice: line.slice, values: by.map((name) => line.values[name] ?? null) };
    }
    expect(all.length).toBe(6);
    expect(paged).toEqual(all);
  });
});

describe('latencies', () => {
  test('are those of calls that came to a good end, models and tools apart', async () => {
    const rows = await readLatencies(database, whole, grouped([]));
    expect(rows.map(({ kind }) => kind)).toEqual(['model', 'tool']);
    expect(rows[0]).toMatchObject({
      firstToken: { count: 4, p50: 10, p99: 10 },
      // (110 − 10) / 10, (210 − 10) / 10, (310 − 10) / 10; a call without two tokens has no time between them.
      outputToken: { count: 3, p50: 20, p90: 28 },
      duration: { count: 4, p50: 160 },
    });
    expect(rows[1]).toMatchObject({ firstToken: null, outputToken: null, duration: { count: 2, p50: 50, p90: 58 } });
  });

  test('by model, by key and by day, page by page', async () => {
    const by = ['model', 'key'] as const;
    const grouping = grouped(by, { slice: 'day' });
    const all = await readLatencies(database, whole, grouping);
    expect(all.map(({ kind, values, duration }) => [kind, values.model, values.key, duration?.p50])).toEqual([
      ['model', 'large', 'bob', 210],
      ['model', 'small', 'alice', 110],
      ['tool', null, 'alice', 40],
      ['model', 'small', null, 110],
      ['model', 'small', 'bob', 310],
      ['tool', null, 'bob', 60],
    ]);
    const [, second] = all;
    const place = { slice: second?.slice ?? null, values: ['model', 'small', 'alice'] };
    expect(await readLatencies(database, whole, { ...grouping, after: place })).toEqual(all.slice(2));
  });

  test('of nothing are no lines', async () => {
    expect(await readLatencies(database, { ...whole, only: { key: 'nobody' } }, grouped([]))).toEqual([]);
  });
});
