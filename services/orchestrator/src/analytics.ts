/** What calls of upstreams and tools cost, as rows. Each call is booked once, whatever became of its step. */
import type { ResultCommand } from '@tailrace/bus';
import type { Tables } from '@tailrace/database';
import type { QueryCreator } from 'kysely';

/** A report of a step that has ended. */
export type EndedReport = Exclude<ResultCommand, { kind: 'started' }>;

/** A statement that also writes a report's calls. `now` is in milliseconds since the epoch. */
export function withCalls(query: QueryCreator<Tables>, report: EndedReport, now: number): QueryCreator<Tables> {
  if (report.calls.length === 0) return query;
  switch (report.kind) {
    case 'model_call':
      return query.with('measured', (db) => insertUpstreamCalls(db, report, now));
    case 'tool_call':
      return query.with('measured', (db) => insertToolCalls(db, report, now));
  }
}

/** Writes a report's calls, and nothing else. */
export async function bookCalls(db: QueryCreator<Tables>, report: EndedReport, now: number): Promise<void> {
  if (report.calls.length === 0) return;
  switch (report.kind) {
    case 'model_call':
      await insertUpstreamCalls(db, report, now).execute();
      return;
    case 'tool_call':
      await insertToolCalls(db, report, now).execute();
      return;
  }
}

type ReportOf<Kind extends EndedReport['kind']> = Extract<EndedReport, { kind: Kind }>;

function key(report: EndedReport, call: number, now: number) {
  return {
    response_id: report.responseId,
    response_step_id: report.stepId,
    attempt: report.attempt,
    call,
    recorded_at: new Date(now),
  };
}

function insertUpstreamCalls(db: QueryCreator<Tables>, report: ReportOf<'model_call'>, now: number) {
  const rows = report.calls.map((call, index) => ({
    ...key(report, index + 1, now),
    model: call.model,
    upstream: call.upstream,
    status: call.status,
    ttfb_ms: call.ttfbMs,
    duration_ms: call.durationMs,
    error_code: call.errorCode,
    input_tokens: call.inputTokens,
    cached_tokens: call.cachedTokens,
    output_tokens: call.outputTokens,
    reasoning_tokens: call.reasoningTokens,
  }));
  return db
    .insertInto('http_analytics')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing());
}

function insertToolCalls(db: QueryCreator<Tables>, report: ReportOf<'tool_call'>, now: number) {
  const rows = report.calls.map((call, index) => ({
    ...key(report, index + 1, now),
    tool: call.tool,
    status: call.status,
    duration_ms: call.durationMs,
    error_code: call.errorCode,
  }));
  return db
    .insertInto('tool_call_analytics')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing());
}
