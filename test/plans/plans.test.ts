/** The plans of the hot path on 100,000 responses: index lookups, and nothing else. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { genericPlanOf, type LeadingColumns, leadingColumns, mostRowsOf, planOf, problemsOf } from './explain.ts';
import { type FilledDatabase, filledDatabase, HOT_TABLES, LIMIT_TABLES, RESPONSES } from './filled-database.ts';
import { type HotPath, runHotPath } from './hot-path.ts';

/** What a statement of the hot path may be expected to cost; a pass over a table is in the thousands. */
const MOST_COST = 500;
/** The most rows that any part of a plan may be expected to touch: the sweep may meet every live response. */
const MOST_ROWS = 2_000;
const TABLES = [...HOT_TABLES, ...LIMIT_TABLES];

let filled: FilledDatabase;
let client: pg.Client;
let leading: LeadingColumns;
let hotPath: HotPath;
let scannedBefore: number;

beforeAll(async () => {
  filled = await filledDatabase(inject('postgresUrl'));
  client = new pg.Client({ connectionString: filled.url });
  await client.connect();
  leading = await leadingColumns(client);
  scannedBefore = await sequentialScans();
  hotPath = await runHotPath(filled);
});

afterAll(async () => {
  await client?.end();
  await filled?.drop();
});

/** How often a hot table was read from one end to the other since the database was made, foreign keys' checks included. */
async function sequentialScans(): Promise<number> {
  const { rows } = await client.query<{ scans: string }>(
    'SELECT sum(seq_scan) AS scans FROM pg_stat_user_tables WHERE relname = ANY ($1)',
    [TABLES],
  );
  return Number(rows[0]?.scans);
}

const problems = async (sql: string, parameters: readonly unknown[]) =>
  problemsOf(await planOf(client, { sql, parameters }), TABLES, leading);

describe('the hot path', () => {
  test('is all there: every table is read and written, and the data is what was meant', () => {
    expect(hotPath.record.status).toBe('completed');
    expect(hotPath.found).toEqual({ turns: filled.turns, silent: filled.silent });
    const texts = hotPath.statements.map(({ sql }) => sql);
    for (const table of HOT_TABLES) expect(texts).toContainEqual(expect.stringContaining(`insert into "${table}"`));
    for (const table of ['responses', 'response_steps']) {
      expect(texts).toContainEqual(expect.stringMatching(new RegExp(`^select .* from "${table}"`)));
      expect(texts).toContainEqual(expect.stringContaining(`update "${table}"`));
    }
    for (const table of LIMIT_TABLES) {
      for (const verb of ['insert into', 'update', 'delete from']) {
        expect(texts).toContainEqual(expect.stringMatching(new RegExp(`${verb} "?${table}`, 'i')));
      }
    }
    expect(texts).toContainEqual(expect.stringContaining('for update'));
    expect(texts).toContainEqual(expect.stringContaining('WITH RECURSIVE'));
  });

  test('reaches every row through an index, for these values and for any', async () => {
    const found: string[] = [];
    for (const statement of hotPath.statements) {
      for (const plan of [await planOf(client, statement), await genericPlanOf(client, statement)]) {
        const wrong = problemsOf(plan, TABLES, leading);
        found.push(...wrong.map((problem) => `${statement.operation}: ${problem}\n  ${statement.sql}`));
      }
    }
    expect(found).toEqual([]);
  });

  test('is expected to touch few rows', async () => {
    for (const statement of hotPath.statements) {
      const plan = await planOf(client, statement);
      expect(mostRowsOf(plan), `${statement.operation}: ${statement.sql}`).toBeLessThanOrEqual(MOST_ROWS);
      expect(plan['Total Cost'], `${statement.operation}: ${statement.sql}`).toBeLessThanOrEqual(MOST_COST);
    }
  });

  test('has scanned no table when it ran', async () => {
    expect(await sequentialScans()).toBe(scannedBefore);
  });
});

describe('a plan is found bad', () => {
  test('when it scans a table, alone or inside a larger statement', async () => {
    expect(await problems('SELECT * FROM responses WHERE owner = $1', ['owner-1'])).toEqual(['Seq Scan on responses']);
    const inside = `UPDATE responses SET entries = 6 WHERE id IN (SELECT response_id FROM response_steps WHERE attempt > $1)`;
    expect(await problems(inside, [3])).toContain('Seq Scan on response_steps');
  });

  test('when it reads all of an index, or enters one without its first column', async () => {
    await client.query('SET enable_seqscan = off; SET enable_bitmapscan = off');
    try {
      expect(await problems('SELECT * FROM responses ORDER BY id', [])).toEqual([
        'Index Scan reads all of responses_pkey',
      ]);
      const [problem] = await problems('SELECT * FROM response_steps WHERE sequence = $1', [3]);
      expect(problem).toMatch(/^Index Scan on response_steps_\w+ leaves response_id open/);
    } finally {
      await client.query('RESET enable_seqscan; RESET enable_bitmapscan');
    }
  });

  test('when the index that it needs is gone', async () => {
    const sweep = hotPath.statements.find(({ operation }) => operation === 'sweep');
    if (!sweep) throw new Error('the sweep sent nothing');
    await client.query('BEGIN; DROP INDEX responses_live');
    try {
      expect(await problems(sweep.sql, sweep.parameters)).toContain('Seq Scan on responses');
    } finally {
      await client.query('ROLLBACK');
    }
  });

  test('when the server has carried out a scan, whatever asked for it', async () => {
    const before = await sequentialScans();
    await client.query("SELECT count(*) FROM responses WHERE owner = 'owner-1'");
    await client.query('SELECT pg_stat_force_next_flush()');
    expect(await sequentialScans()).toBeGreaterThan(before);
  });

  test('when it is expected to touch the whole table', async () => {
    const all = await planOf(client, { sql: 'SELECT id FROM responses WHERE id > $1', parameters: [filled.lastTurn] });
    expect(mostRowsOf(all)).toBeGreaterThan(RESPONSES / 4);
  });
});
