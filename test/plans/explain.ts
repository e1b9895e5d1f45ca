/** What Postgres would do for a statement, and what is wrong with it for a table that never stops growing. */
import type pg from 'pg';

/** A node of a plan, as `EXPLAIN (FORMAT JSON)` prints it. */
export interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  Filter?: string;
  'Plan Rows': number;
  'Total Cost': number;
  'Conflict Arbiter Indexes'?: string[];
  Plans?: PlanNode[];
}

/** A statement with its values. */
export interface Statement {
  sql: string;
  parameters: readonly unknown[];
}

/** The first column of each index, by the index's name. */
export type LeadingColumns = ReadonlyMap<string, string>;

/** The first column of every index of the schema. */
export async function leadingColumns(client: pg.Client): Promise<LeadingColumns> {
  const { rows } = await client.query<{ name: string; column: string }>(`
    SELECT class.relname AS name, pg_get_indexdef(class.oid, 1, false) AS column
    FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid
    WHERE class.relnamespace = 'public'::regnamespace`);
  return new Map(rows.map(({ name, column }) => [name, column]));
}

/** The plan for these values: what the services get, whose statements are unnamed. */
export async function planOf(client: pg.Client, { sql, parameters }: Statement): Promise<PlanNode> {
  const { rows } = await client.query(`EXPLAIN (FORMAT JSON) ${sql}`, [...parameters]);
  return firstPlan(rows);
}

/** The plan for any values: what a pooler or a driver with prepared statements gets. */
export async function genericPlanOf(client: pg.Client, { sql }: Statement): Promise<PlanNode> {
  const { rows } = await client.query(`EXPLAIN (FORMAT JSON, GENERIC_PLAN) ${sql}`);
  return firstPlan(rows);
}

function firstPlan(rows: { 'QUERY PLAN': { Plan: PlanNode }[] }[]): PlanNode {
  const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
  if (!plan) throw new Error('Postgres explained nothing');
  return plan;
}

/** A node and all below it. */
function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

const INDEX_SCANS = new Set(['Index Scan', 'Index Only Scan', 'Bitmap Index Scan']);

/**
 * The most rows that any part of a plan is expected to touch. An index that is read for a limit, and skips nothing, is read
 * no further.
 */
export function mostRowsOf(plan: PlanNode): number {
  const { 'Node Type': type, 'Plan Rows': rows, Plans: below = [] } = plan;
  const isCut = ({ 'Node Type': scan, Filter }: PlanNode) =>
    type === 'Limit' && INDEX_SCANS.has(scan) && Filter === undefined;
  return Math.max(rows, ...below.filter((each) => !isCut(each)).map(mostRowsOf));
}

/**
 * Whatever in a plan reads more than it is asked for: a table that is not reached through an index, an index that is read
 * without a condition, or with one that leaves its first column open. Empty when every access is an index lookup.
 */
export function problemsOf(plan: PlanNode, tables: readonly string[], leading: LeadingColumns): string[] {
  return nodesOf(plan).flatMap((node) => {
    const { 'Node Type': type, 'Relation Name': table, 'Index Name': index, 'Index Cond': condition } = node;
    if (index !== undefined) {
      if (!INDEX_SCANS.has(type)) return [`${type} on ${index}`];
      const column = leading.get(index);
      if (column === undefined) return [`${type} on ${index}, whose columns are not known`];
      if (condition === undefined) return [`${type} reads all of ${index}`];
      return mentions(condition, column) ? [] : [`${type} on ${index} leaves ${column} open: ${condition}`];
    }
    if (table === undefined || !tables.includes(table)) return [];
    // The heap side of a bitmap scan and the target of a write are reached through what stands below them.
    return type === 'Bitmap Heap Scan' || type === 'ModifyTable' ? [] : [`${type} on ${table}`];
  });
}

function mentions(condition: string, column: string): boolean {
  return new RegExp(`(?<![\\w.])(?:\\w+\\.)?${column}(?!\\w)`).test(condition);
}
