/** `GET /admin/v1/responses/{id}/timeline`: what happened for a response, step by step and call by call. */
import { readTimeline, type Timeline, type TimelineStep } from '@tailrace/database';
import { ApiError, hexOf, parseResponseId, validate } from '@tailrace/protocol';
import { z } from 'zod';
import type { GatewayContext } from '../context.ts';
import { fromDatabase } from '../database-read.ts';

/** The query. */
export const timelineQuery = z.strictObject({
  /** Steps of a page. */
  limit: z.coerce.number().int().min(1).max(1_000).default(200),
  /** Only steps with a higher sequence. */
  after: z.coerce.number().int().min(-1).default(-1),
});

const moment = z.number();
const span = z.number().min(0).nullable();
const count = z.int().min(0).nullable();

/** A call of an upstream or a tool. What nobody has told is null. */
export const timelineCall = z.strictObject({
  /** The upstream or the tool got it as `X-Client-Request-Id`. */
  id: z.string(),
  object: z.literal('response.call'),
  attempt: z.int(),
  /** Milliseconds after the response was created, by the worker's clock. */
  starts_ms: moment,
  duration_ms: span,
  /** The HTTP status. */
  status: z.int().nullable(),
  /** `interrupted` of a call whose worker died. */
  error_code: z.string().nullable(),
  /** Of a model's call. */
  upstream: z.string().nullable(),
  upstream_model: z.string().nullable(),
  /** From the request to the head of the answer, and to its first token of output. */
  first_byte_ms: span,
  first_token_ms: span,
  input_tokens: count,
  cached_tokens: count,
  output_tokens: count,
  reasoning_tokens: count,
  cost: z.string().nullable(),
});

/** A step. Moments are milliseconds after the response was created. */
export const timelineEntry = z.strictObject({
  id: z.string(),
  object: z.literal('response.step'),
  parent_step_id: z.string().nullable(),
  sequence: z.int(),
  kind: z.enum(['model_call', 'tool_call']),
  /** The model's or the tool's name. */
  name: z.string(),
  state: z.enum(['pending', 'processing', 'completed', 'failed', 'canceled']),
  attempt: z.int(),
  added_ms: moment,
  /** When a worker was at it; null of a short step. */
  started_ms: moment.nullable(),
  ended_ms: moment.nullable(),
  calls: z.array(timelineCall),
});

/** A response's timeline, or a page of it. */
export const timelineResource = z.strictObject({
  object: z.literal('response.timeline'),
  id: z.string(),
  owner: z.string(),
  key: z.string().nullable(),
  status: z.enum(['in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
  /** Seconds since the epoch. */
  created_at: z.number(),
  /** Milliseconds from its creation to its end. */
  duration_ms: span,
  steps: z.array(timelineEntry),
  has_more: z.boolean(),
});
export type TimelineResource = z.output<typeof timelineResource>;

/** Answers a query. @throws ApiError `response_not_found`, `invalid_value`, `unavailable` */
export async function timeline(
  context: Pick<GatewayContext, 'database'>,
  publicId: string,
  query: unknown,
): Promise<TimelineResource> {
  const page = validate(timelineQuery, query);
  const id = parseResponseId(publicId);
  const found = id && (await fromDatabase(() => readTimeline(context.database, id, page)));
  if (!found) throw new ApiError('response_not_found', { id: publicId });
  return toResource(publicId, found, page.limit);
}

function toResource(publicId: string, found: Timeline, limit: number): TimelineResource {
  const { response, steps } = found;
  const created = response.created_at.getTime();
  return {
    object: 'response.timeline',
    id: publicId,
    owner: response.owner,
    key: response.key_name,
    status: response.status,
    created_at: created / 1_000,
    duration_ms: response.ended_at === null ? null : Math.max(0, response.ended_at.getTime() - created),
    steps: steps.slice(0, limit).map((step) => stepEntry(step, found, created)),
    has_more: steps.length > limit,
  };
}

function stepEntry(step: TimelineStep, found: Timeline, created: number): TimelineResource['steps'][number] {
  const since = (at: Date | null) => (at === null ? null : at.getTime() - created);
  return {
    id: stepId(step.id),
    object: 'response.step',
    parent_step_id: step.parent_step_id === null ? null : stepId(step.parent_step_id),
    sequence: step.sequence,
    kind: step.kind,
    name: step.name,
    state: step.state,
    attempt: step.attempt,
    added_ms: step.created_at.getTime() - created,
    started_ms: since(step.started_at),
    ended_ms: since(step.ended_at),
    calls: callsOf(step, found, created),
  };
}

type CallEntry = z.output<typeof timelineCall>;

function callsOf(step: TimelineStep, { modelCalls, toolCalls }: Timeline, created: number): CallEntry[] {
  const none = {
    upstream: null,
    upstream_model: null,
    first_byte_ms: null,
    first_token_ms: null,
    input_tokens: null,
    cached_tokens: null,
    output_tokens: null,
    reasoning_tokens: null,
    cost: null,
  };
  const common = (row: Timeline['modelCalls'][number] | Timeline['toolCalls'][number]) => ({
    id: row.id,
    object: 'response.call' as const,
    attempt: row.attempt,
    starts_ms: row.started_at.getTime() - created,
    duration_ms: row.duration_ms,
    status: row.status,
    error_code: row.error_code,
  });
  const ofTools = toolCalls.filter((row) => row.response_step_id === step.id);
  const ofModels = modelCalls.filter((row) => row.response_step_id === step.id);
  return [
    ...ofTools.map((row) => ({ ...common(row), ...none })),
    ...ofModels.map((row) => ({
      ...common(row),
      upstream: row.upstream,
      upstream_model: row.upstream_model,
      first_byte_ms: row.ttfb_ms,
      first_token_ms: row.first_token_ms,
      input_tokens: row.input_tokens,
      cached_tokens: row.cached_tokens,
      output_tokens: row.output_tokens,
      reasoning_tokens: row.reasoning_tokens,
      cost: row.cost === null ? null : decimal(row.cost),
    })),
  ];
}

/** As Postgres writes it, without zeros at the end. */
function decimal(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function stepId(id: string): string {
  return `step_${hexOf(id)}`;
}
