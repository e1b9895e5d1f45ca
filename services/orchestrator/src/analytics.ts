/** What calls of upstreams and tools came to, as rows. Each call is booked once, whatever became of its step. */
import { createHash } from 'node:crypto';
import type { CallMark, ResultCommand, ToolCallMeasure, UpstreamCall } from '@tailrace/bus';
import { type HttpAnalyticsTable, NOBODY, type Tables, type ToolCallAnalyticsTable } from '@tailrace/database';
import { type Insertable, type QueryCreator, type RawBuilder, sql } from 'kysely';

/** A report of a step that has ended. */
export type EndedReport = Extract<ResultCommand, { kind: 'model_call' | 'tool_call' }>;

/** The `error_code` of a call whose worker died: that it was made is all that is known. */
export const INTERRUPTED = 'interrupted';

/** A report of a call that was passed on as it is, outside of any response. */
export type RelayReport = Extract<ResultCommand, { kind: 'relay' }>;

/** A statement that also writes a report's calls. `now` is in milliseconds since the epoch. */
export function withCalls(query: QueryCreator<Tables>, report: EndedReport, now: number): QueryCreator<Tables> {
  if (report.calls.length === 0) return query;
  switch (report.kind) {
    case 'model_call':
      return query.with('measured', (db) => insertUpstreamCalls(db, ofStep(report, report.calls, now)));
    case 'tool_call':
      return query.with('measured', (db) => insertToolCalls(db, ofStep(report, report.calls, now)));
  }
}

/** Writes a report's calls, and nothing else. */
export async function bookCalls(db: QueryCreator<Tables>, report: EndedReport, now: number): Promise<void> {
  if (report.calls.length === 0) return;
  switch (report.kind) {
    case 'model_call':
      await insertUpstreamCalls(db, ofStep(report, report.calls, now)).execute();
      return;
    case 'tool_call':
      await insertToolCalls(db, ofStep(report, report.calls, now)).execute();
      return;
  }
}

/** Writes the calls of upstreams that were made for one call of a client. */
export async function bookRelay(db: QueryCreator<Tables>, report: RelayReport, now: number): Promise<void> {
  const { responseId, attempt, endpoint, owner, keyName, calls } = report;
  if (calls.length === 0) return;
  const booked = { responseId, stepId: null, attempt, endpoint, owner, key_name: keyName, calls, now };
  await insertUpstreamCalls(db, booked).execute();
}

type Text = string | null | RawBuilder<string | null>;

interface Booked<Measure> {
  responseId: string;
  attempt: number;
  owner: Text;
  key_name: Text;
  calls: readonly Measure[];
  now: number;
}

type BookedUpstream = Booked<UpstreamCall> & Pick<HttpAnalyticsTable, 'endpoint'> & { stepId: string | null };
type BookedTool = Booked<ToolCallMeasure> & { stepId: string };

/** Whose a response is stands in its row, as long as that is there. */
function ofStep<Measure>(report: EndedReport, calls: readonly Measure[], now: number) {
  const { responseId, stepId, attempt } = report;
  return {
    responseId,
    stepId,
    attempt,
    endpoint: 'responses' as const,
    owner: sql<string | null>`(SELECT NULLIF(owner, ${NOBODY}) FROM responses WHERE id = ${responseId})`,
    key_name: sql<string | null>`(SELECT key_name FROM responses WHERE id = ${responseId})`,
    calls,
    now,
  };
}

function insertUpstreamCalls(db: QueryCreator<Tables>, booked: BookedUpstream) {
  const rows = booked.calls.map((call, index) => ({
    ...common(booked, call, index),
    response_step_id: booked.stepId,
    endpoint: booked.endpoint,
    model: call.model,
    upstream: call.upstream,
    upstream_model: call.upstreamModel ?? null,
    ttfb_ms: call.ttfbMs,
    first_token_ms: call.firstTokenMs,
    input_tokens: call.inputTokens,
    cached_tokens: call.cachedTokens,
    output_tokens: call.outputTokens,
    reasoning_tokens: call.reasoningTokens,
    cost: call.cost,
  }));
  return db
    .insertInto('http_analytics')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .columns(['response_id', 'id'])
        .doUpdateSet(excluded(UPSTREAM_MEASURES))
        .where('http_analytics.error_code', '=', INTERRUPTED),
    );
}

function insertToolCalls(db: QueryCreator<Tables>, booked: BookedTool) {
  const rows = booked.calls.map((call, index) => ({
    ...common(booked, call, index),
    response_step_id: booked.stepId,
    tool: call.tool,
  }));
  return db
    .insertInto('tool_call_analytics')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .columns(['response_id', 'id'])
        .doUpdateSet(excluded(TOOL_MEASURES))
        .where('tool_call_analytics.error_code', '=', INTERRUPTED),
    );
}

interface Measure {
  mark?: CallMark;
  status: number | null;
  durationMs: number;
  errorCode: string | null;
}

function common(booked: Booked<unknown> & { stepId: string | null }, call: Measure, index: number) {
  const { responseId, stepId, attempt, owner, key_name, now } = booked;
  const { id, startedAt } = call.mark ?? {
    id: placeId(`${stepId ?? responseId}.${attempt}.${index + 1}`),
    startedAt: now - call.durationMs,
  };
  return {
    response_id: responseId,
    id,
    attempt,
    call: index + 1,
    owner,
    key_name,
    status: call.status,
    duration_ms: call.durationMs,
    error_code: call.errorCode,
    started_at: new Date(startedAt),
    recorded_at: new Date(now),
  };
}

/** The id of a call that has none of its own: a report that comes twice names it the same way. */
function placeId(place: string): string {
  const bytes = createHash('sha256').update(place).digest().subarray(0, 16);
  // Version 8 and the RFC 9562 variant.
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const UPSTREAM_MEASURES = [
  'status',
  'ttfb_ms',
  'first_token_ms',
  'duration_ms',
  'error_code',
  'input_tokens',
  'cached_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost',
  'recorded_at',
] as const satisfies (keyof Insertable<HttpAnalyticsTable>)[];

const TOOL_MEASURES = [
  'status',
  'duration_ms',
  'error_code',
  'recorded_at',
] as const satisfies (keyof Insertable<ToolCallAnalyticsTable>)[];

/** A worker that was given up, and comes to its end all the same, knows more than its note. */
function excluded(columns: readonly string[]): Record<string, RawBuilder<never>> {
  return Object.fromEntries(columns.map((column) => [column, sql.ref<never>(`excluded.${column}`)]));
}
