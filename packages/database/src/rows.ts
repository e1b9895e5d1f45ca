/** Rows to records and back: the one place that knows how a chain looks in Postgres. */
import {
  type ModelCallRequest,
  type ModelResult,
  type Outcome,
  type ResponseRecord,
  resultOf,
  type Step,
  type ToolCallRequest,
  type ToolResult,
} from '@tailrace/chain';
import { type Insertable, type Selectable, sql, type Updateable } from 'kysely';
import type { ResponseStepsTable, ResponsesTable } from './schema.ts';

const millis = (time: Date | null): number | null => time?.getTime() ?? null;
const date = (time: number): Date => new Date(time);

/** A row of `responses` as the chain's functions know it. */
export function toRecord(row: Selectable<ResponsesTable>): ResponseRecord {
  return {
    id: row.id,
    owner: row.owner,
    request: row.request,
    status: row.status,
    error: row.error,
    incompleteReason: row.incomplete_reason,
    previousResponseId: row.previous_response_id,
    conversationId: row.conversation_id,
    conversationPosition: row.conversation_position === null ? null : Number(row.conversation_position),
    createdAt: row.created_at.getTime(),
    endedAt: millis(row.ended_at),
    entries: row.entries,
    nextEvent: Number(row.next_event),
  };
}

/** A row of `response_steps` as the chain's functions know it. */
export function toStep(row: Selectable<ResponseStepsTable>): Step {
  const base = {
    id: row.id,
    parentStepId: row.parent_step_id,
    prevStepId: row.prev_step_id,
    sequence: row.sequence,
    attempt: row.attempt,
    addedEntry: row.added_entry,
    endedEntry: row.ended_entry,
    createdAt: row.created_at.getTime(),
    startedAt: millis(row.started_at),
    endedAt: millis(row.completed_at ?? row.failed_at ?? row.canceled_at),
  };
  switch (row.kind) {
    case 'model_call':
      return {
        ...base,
        kind: row.kind,
        request: row.request_payload as ModelCallRequest,
        outcome: toOutcome<ModelResult>(row),
      };
    case 'tool_call':
      return {
        ...base,
        kind: row.kind,
        request: row.request_payload as ToolCallRequest,
        outcome: toOutcome<ToolResult>(row),
      };
  }
}

function toOutcome<Result>(row: Selectable<ResponseStepsTable>): Outcome<Result> {
  switch (row.state) {
    case 'pending':
    case 'processing':
      return { state: row.state };
    case 'canceled':
      return { state: row.state, result: row.response_payload as Result | null };
    case 'completed':
      return { state: row.state, result: row.response_payload as Result };
    case 'failed':
      if (!row.error) throw new Error(`step ${row.id} failed without an error`);
      return { state: row.state, error: row.error, result: row.response_payload as Result | null };
  }
}

/** The columns that tell where a step stands. */
export function outcomeColumns(step: Step): Updateable<ResponseStepsTable> {
  const { outcome } = step;
  const ended = step.endedAt === null ? null : date(step.endedAt);
  const result: unknown = resultOf<unknown>(outcome);
  return {
    state: outcome.state,
    attempt: step.attempt,
    ended_entry: step.endedEntry,
    started_at: step.startedAt === null ? null : date(step.startedAt),
    completed_at: outcome.state === 'completed' ? ended : null,
    failed_at: outcome.state === 'failed' ? ended : null,
    canceled_at: outcome.state === 'canceled' ? ended : null,
    error: outcome.state === 'failed' ? JSON.stringify(outcome.error) : null,
    response_payload: result === null ? null : JSON.stringify(result),
  };
}

/** A step as a new row. */
export function stepRow(responseId: string, step: Step): Insertable<ResponseStepsTable> {
  return {
    response_id: responseId,
    id: step.id,
    parent_step_id: step.parentStepId,
    prev_step_id: step.prevStepId,
    kind: step.kind,
    sequence: step.sequence,
    added_entry: step.addedEntry,
    request_payload: JSON.stringify(step.request),
    created_at: date(step.createdAt),
    ...(outcomeColumns(step) as Pick<Insertable<ResponseStepsTable>, 'state' | 'attempt'>),
  };
}

/** The time as the database has it: what is compared among processes is told by one clock. */
export const DATABASE_TIME = sql<Date>`now()`;

/** The time so many milliseconds from now (before now, when negative), by the same clock. */
export function databaseTimeIn(ms: number) {
  return sql<Date>`now() + ${ms} * interval '1 millisecond'`;
}

/** The columns of a response that change as its chain grows. */
export function recordColumns(record: ResponseRecord) {
  if (record.status === 'queued') throw new Error('a stored response is never queued');
  const columns = {
    status: record.status,
    error: record.error === null ? null : JSON.stringify(record.error),
    incomplete_reason: record.status === 'incomplete' ? record.incompleteReason : null,
    entries: record.entries,
    next_event: record.nextEvent,
    ended_at: record.endedAt === null ? null : date(record.endedAt),
  } satisfies Updateable<ResponsesTable>;
  return { ...columns, updated_at: DATABASE_TIME };
}
