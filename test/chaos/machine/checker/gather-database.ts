import pg from 'pg';
import type { AnalyticsRow, ResponseEvidence, ResponseRow, StepRow } from './evidence.ts';

/** So much of a request is kept as its marker may need. */
const REQUEST_CHARACTERS = 16_384;

/** Adds what Postgres holds of each response, named by its uuid. */
export async function readDatabase(databaseUrl: string, of: (uuid: string) => ResponseEvidence): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    for (const { response, ...row } of await rows<ResponseRow>(client, RESPONSES)) of(response).row = row;
    for (const { response, ...row } of await rows<StepRow>(client, steps(await tracksCommits(client)))) {
      of(response).steps.push(row);
    }
    for (const { response, ...row } of await rows<AnalyticsRow>(client, ANALYTICS)) of(response).analytics.push(row);
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

async function rows<Row>(client: pg.Client, text: string): Promise<(Row & { response: string })[]> {
  return (await client.query<Row & { response: string }>(text)).rows;
}

async function tracksCommits(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ setting: string }>(
    "SELECT current_setting('track_commit_timestamp') AS setting",
  );
  return rows[0]?.setting === 'on';
}

const time = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`;

const RESPONSES = `
  SELECT id AS response, status, entries, ${time('created_at')} AS "createdAt", ${time('ended_at')} AS "endedAt",
    left(request::text, ${REQUEST_CHARACTERS}) AS request
  FROM responses`;

const steps = (committed: boolean) => `
  SELECT response_id AS response, id, parent_step_id AS "parentStepId", prev_step_id AS "prevStepId", kind, state, sequence,
    attempt, added_entry AS "addedEntry", ended_entry AS "endedEntry", ${time('created_at')} AS "createdAt",
    ${time('started_at')} AS "startedAt", ${time('completed_at')} AS "completedAt", ${time('failed_at')} AS "failedAt",
    ${time('canceled_at')} AS "canceledAt",
    ${committed ? time('pg_xact_commit_timestamp(xmin)') : 'NULL::float8'} AS "committedAt"
  FROM response_steps
  ORDER BY response_id, sequence`;

const ANALYTICS = `
  SELECT response_id AS response, 'model' AS kind, response_step_id AS "stepId", attempt, call, status FROM http_analytics
  UNION ALL
  SELECT response_id AS response, 'tool' AS kind, response_step_id AS "stepId", attempt, call, status
  FROM tool_call_analytics`;
