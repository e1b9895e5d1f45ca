/** The shapes of what Responses servers stream, as loose as the servers are. */
import { ApiError } from '@tailrace/protocol';
import { z } from 'zod';

const index = z.number().int().min(0).nullish();
const text = z.string().nullish();

const part = z.object({
  type: text,
  text,
  refusal: text,
  annotations: z.array(z.unknown()).nullish(),
  logprobs: z.unknown().optional(),
});

/** A message, reasoning or a function call; what else there is says nothing that clients could be told. */
const item = z.object({
  type: z.enum(['message', 'reasoning', 'function_call']),
  id: text,
  status: text,
  phase: text,
  content: z.array(part).nullish(),
  summary: z.array(part).nullish(),
  encrypted_content: text,
  call_id: text,
  name: text,
  arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
});

const tokens = z.number().nullish();
const errorObject = z.object({ message: text, code: z.unknown().optional() });
const usage = z.object({
  input_tokens: tokens,
  input_tokens_details: z.object({ cached_tokens: tokens }).nullish(),
  output_tokens: tokens,
  output_tokens_details: z.object({ reasoning_tokens: tokens }).nullish(),
  total_tokens: tokens,
});
const response = z.object({
  status: text,
  output: z.array(z.unknown()).nullish(),
  error: errorObject.nullish(),
  incomplete_details: z.object({ reason: text }).nullish(),
  usage: usage.nullish(),
  service_tier: text,
});

const event = z.object({
  output_index: index,
  item_id: text,
  content_index: index,
  summary_index: index,
  delta: text,
  text,
  refusal: text,
  name: text,
  arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
  logprobs: z.unknown().optional(),
  annotation: z.unknown().optional(),
  part: part.nullish(),
  item: z.unknown().optional(),
  response: z.unknown().optional(),
});

export type UpstreamEvent = z.output<typeof event>;
export type UpstreamItem = z.output<typeof item>;
export type UpstreamPart = z.output<typeof part>;
export type UpstreamResponse = z.output<typeof response>;

/** What an event is; an answer that is not streamed is a response object. */
const named = z.object({ type: text, object: text, error: z.unknown().optional() });

/** The name of an event. @throws ApiError `upstream_invalid` */
export function eventName(value: unknown): string {
  const { type, object, error } = parse(named, value);
  if (type) return type;
  if (object === 'response') return object;
  return error ? 'error' : '';
}

/** The fields of an event. @throws ApiError `upstream_invalid` */
export function readEvent(value: unknown): UpstreamEvent {
  return parse(event, value);
}

const typed = z.object({ type: z.string() });

/** An item; undefined for a kind that is not told. @throws ApiError `upstream_invalid` */
export function readItem(value: unknown): UpstreamItem | undefined {
  const kind = typed.safeParse(value).data?.type;
  if (kind !== 'message' && kind !== 'reasoning' && kind !== 'function_call') return undefined;
  return parse(item, value);
}

/** A response object. @throws ApiError `upstream_invalid` */
export function readResponse(value: unknown): UpstreamResponse {
  return parse(response, value);
}

const failure = z.object({ error: z.union([z.string(), errorObject]).nullish(), message: text });

/** Why an `error` event says that the answer failed: nested, or flat. @throws ApiError `upstream_invalid` */
export function readFailure(value: unknown): string {
  const { error, message } = parse(failure, value);
  return (typeof error === 'string' ? error : error?.message) || message || 'no reason given';
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ApiError('upstream_invalid', { reason: result.error.issues[0]?.message ?? 'unknown shape' });
}
