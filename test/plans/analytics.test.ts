/** What administrators ask of 200,000 calls of models and as many of tools: only the span in question is read. */
import {
  connectDatabase,
  type Database,
  latenciesQuery,
  type Selection,
  stepCallsQuery,
  timelineStepsQuery,
  usageQuery,
} from '@tailrace/database';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { genericPlanOf, type LeadingColumns, leadingColumns, planOf, problemsOf, type Statement } from './explain.ts';
import { type FilledDatabase, filledDatabase, HOT_TABLES } from './filled-database.ts';

let filled: FilledDatabase;
let client: pg.Client;
let database: Database;
let leading: LeadingColumns;

beforeAll(async () => {
  filled = await filledDatabase(inject('postgresUrl'));
  client = new pg.Client({ connectionString: filled.url });
  await client.connect();
  leading = await leadingColumns(client);
  database = connectDatabase({
    url: filled.url,
    name: 'test',
    connections: 1,
    prepare: false,
    timeoutMs: 10_000,
    onError: () => undefined,
  });
});

afterAll(async () => {
  await database?.destroy();
  await client?.end();
  await filled?.drop();
});

const DAY_MS = 24 * 60 * 60_000;
const lastDay = (): Selection => ({ from: new Date(Date.now() - DAY_MS), to: new Date(), only: {} });
const grouping = { by: ['key', 'model'] as const, slice: 'hour' as const, limit: 100, after: null };

const QUESTIONS: [what: string, statement: () => Statement][] = [
  ['the usage of a day', () => usageQuery(lastDay(), grouping).compile(database)],
  [
    'a later page of it',
    () => {
      const after = { slice: new Date(Date.now() - DAY_MS / 2), values: ['key-1', 'demo'] };
      return usageQuery(lastDay(), { ...grouping, after }).compile(database);
    },
  ],
  [
    'the usage of one key in all the time',
    () => {
      const all = { from: new Date(0), to: new Date(), only: { key: 'key-7' } };
      return usageQuery(all, { ...grouping, slice: 'day' }).compile(database);
    },
  ],
  ['the latencies of a day', () => latenciesQuery(lastDay(), grouping).compile(database)],
  ['the steps of a timeline', () => timelineStepsQuery(database, filled.lastTurn, { after: -1, limit: 100 }).compile()],
  [
    'the calls of a timeline',
    () => stepCallsQuery(database, 'http_analytics', filled.lastTurn, [filled.lastTurn]).compile(),
  ],
];

test.each(QUESTIONS)('%s', async (_, statement) => {
  const { sql, parameters } = statement();
  const plans = [await planOf(client, { sql, parameters }), await genericPlanOf(client, { sql, parameters })];
  for (const plan of plans) expect(problemsOf(plan, HOT_TABLES, leading)).toEqual([]);
});

test('without its index a question is found to read everything', async () => {
  await client.query('BEGIN; DROP INDEX http_analytics_started');
  try {
    const { sql, parameters } = usageQuery(lastDay(), grouping).compile(database);
    expect(problemsOf(await planOf(client, { sql, parameters }), HOT_TABLES, leading)).not.toEqual([]);
  } finally {
    await client.query('ROLLBACK');
  }
});
