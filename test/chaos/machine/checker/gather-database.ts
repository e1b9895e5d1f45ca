import pg from 'pg';
import type { AnalyticsRow, ResponseEvidence, ResponseRow, StepRow } from './evidence.ts';

/** So much of a request is kept as its marker may need. */
const REQUEST_CHARACTERS = 16_384;
/** The same of what an agent is told. */
const TASK_CHARACTERS = 1_024;

/** Adds what Postgres holds of each response, named by its uuid. */
export async function readDatabase(databaseUrl: string, of: (uuid: string) => ResponseEvidence): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    for (const { response, ...row } of await rows<ResponseRow>(client, RESPONSES)) of(response).row = row;
    for (const { response, ...row } of await rows<TaskRow>(client, steps(await tracksCommits(client)))) {
      const { arguments: told, ...step } = row;
      of(response).steps.push({ ...step, task: told === null ? null : firstLineOf(told) });
    }
    for (const { response, ...row } of await rows<AnalyticsRow>(client, ANALYTICS)) of(response).analytics.push(row);
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

/** A step with what the agent that answers it is told, as JSON: the beginning of it. */
type TaskRow = Omit<StepRow, 'task'> & { arguments: string | null };

const TASK = /^\{"input":"((?:[^"\\]|\\.)*?)(?:\\n|")/;

/** The first line of `input`, which stands first in the arguments; empty where there is none. */
function firstLineOf(told: string): string {
  const [, line = ''] = TASK.exec(told) ?? [];
  return JSON.parse(`"${line}"`) as string;
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
    CASE WHEN request_payload->>'agent' = 'true' THEN left(request_payload->>'arguments', ${TASK_CHARACTERS}) END AS arguments,
    attempt, added_entry AS "addedEntry", ended_entry AS "endedEntry", ${time('created_at')} AS "createdAt",
    ${time('started_at')} AS "startedAt", ${time('completed_at')} AS "completedAt", ${time('failed_at')} AS "failedAt",
    ${time('canceled_at')} AS "canceledAt",
    ${committed ? time('pg_xact_commit_timestamp(xmin)') : 'NULL::float8'} AS "committedAt"
  FROM response_steps
  ORDER BY response_id, sequence`;

const ANALYTICS = `
  SELECT response_id AS response, 'model' AS kind, id, response_step_id AS "stepId", attempt, call, status
  FROM http_analytics WHERE response_step_id IS NOT NULL
  UNION ALL
  SELECT response_id AS response, 'tool' AS kind, id, response_step_id AS "stepId", attempt, call, status
  FROM tool_call_analytics`;
