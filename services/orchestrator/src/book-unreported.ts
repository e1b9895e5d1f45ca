import type { CallNote } from '@tailrace/bus';
import { type Database, NOBODY } from '@tailrace/database';
import { sql } from 'kysely';
import { INTERRUPTED } from './analytics.ts';

/**
 * Books calls that have no row, unless they may still be reported: their step has not ended, or they belong to none and have
 * been made after `lostBefore` (milliseconds since the epoch). A step's rows are committed with its outcome, so that what
 * is missing then has been lost.
 * @returns the ids of those that may still be reported.
 */
export async function bookUnreported(
  database: Database,
  notes: readonly CallNote[],
  lostBefore: number,
): Promise<Set<string>> {
  const { rows } = await unreportedQuery(notes, lostBefore).execute(database);
  return new Set(rows.map(({ id }) => id));
}

/** The statement of {@link bookUnreported}. */
export function unreportedQuery(notes: readonly CallNote[], lostBefore: number) {
  const column = <T>(value: (note: CallNote) => T): T[] => notes.map(value);
  const model = <T>(value: (target: Extract<CallNote['target'], { kind: 'model' }>) => T) =>
    column(({ target }) => (target.kind === 'model' ? value(target) : null));
  return sql<{ id: string }>`
    WITH note AS (
      SELECT * FROM unnest(
        ${column(({ id }) => id)}::uuid[],
        ${column(({ responseId }) => responseId)}::uuid[],
        ${column(({ stepId }) => stepId)}::uuid[],
        ${column(({ attempt }) => attempt)}::integer[],
        ${column(({ call }) => call)}::integer[],
        ${column(({ startedAt }) => new Date(startedAt))}::timestamptz[],
        ${column(({ by }) => by?.owner ?? null)}::text[],
        ${column(({ by }) => by?.keyName ?? null)}::text[],
        ${column(({ target }) => (target.kind === 'tool' ? target.tool : null))}::text[],
        ${model((target) => target.model)}::text[],
        ${model((target) => target.upstream)}::text[],
        ${model((target) => target.upstreamModel)}::text[],
        ${model((target) => target.endpoint)}::text[]
      ) AS note (id, response_id, step_id, attempt, call, started_at, owner, key_name, tool, model, upstream,
        upstream_model, endpoint)
    ), open AS (
      SELECT note.id FROM note
      JOIN response_steps AS step ON step.response_id = note.response_id AND step.id = note.step_id
      WHERE step.ended_entry IS NULL
      UNION ALL
      SELECT note.id FROM note WHERE note.step_id IS NULL AND note.started_at > ${new Date(lostBefore)}
    ), lost AS (
      SELECT note.*, coalesce(note.owner, NULLIF(response.owner, ${NOBODY})) AS whose, coalesce(note.key_name, response.key_name) AS key
      FROM note LEFT JOIN responses AS response ON response.id = note.response_id
      WHERE NOT EXISTS (SELECT FROM open WHERE open.id = note.id)
    ), models AS (
      INSERT INTO http_analytics (response_id, id, response_step_id, attempt, call, owner, key_name, endpoint, model,
        upstream, upstream_model, error_code, started_at, recorded_at)
      SELECT response_id, id, step_id, attempt, call, whose, key, endpoint, model, upstream, upstream_model,
        ${INTERRUPTED}, started_at, now()
      FROM lost WHERE tool IS NULL
      ON CONFLICT (response_id, id) DO NOTHING
    ), tools AS (
      INSERT INTO tool_call_analytics (response_id, id, response_step_id, attempt, call, owner, key_name, tool, error_code,
        started_at, recorded_at)
      SELECT response_id, id, step_id, attempt, call, whose, key, tool, ${INTERRUPTED}, started_at, now()
      FROM lost WHERE tool IS NOT NULL
      ON CONFLICT (response_id, id) DO NOTHING
    )
    SELECT id FROM open`;
}
