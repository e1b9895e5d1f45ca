import { z } from 'zod';
import { outputItem } from './items.ts';
import { toolChoice } from './request.ts';

/** Where a response stands. The last four are final. */
export const responseStatus = z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']);
export type ResponseStatus = z.output<typeof responseStatus>;

const tokens = z.int().min(0);

/** Tokens spent (specification: Usage). */
export const usage = z.strictObject({
  input_tokens: tokens,
  input_tokens_details: z.strictObject({ cached_tokens: tokens }),
  output_tokens: tokens,
  output_tokens_details: z.strictObject({ reasoning_tokens: tokens }),
  total_tokens: tokens,
});
export type Usage = z.output<typeof usage>;

const someTools = z.strictObject({ tool_names: z.array(z.string()) });

/** A tool as a response echoes it (specification: FunctionTool; OpenAI: Tool.Mcp). No secret is among it. */
export const echoedTool = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('function'),
    name: z.string(),
    description: z.string().nullable(),
    parameters: z.record(z.string(), z.unknown()).nullable(),
    strict: z.boolean().nullable(),
  }),
  z.strictObject({
    type: z.literal('mcp'),
    server_label: z.string(),
    server_description: z.string().nullable(),
    /** Its origin alone, as paths and queries may be secret. Null for a registered server. */
    server_url: z.string().nullable(),
    headers: z.null(),
    allowed_tools: z.array(z.string()).nullable(),
    require_approval: z.union([z.enum(['always', 'never']), z.strictObject({ always: someTools, never: someTools })]),
  }),
]);
export type EchoedTool = z.output<typeof echoedTool>;

const incompleteReason = z.enum(['max_output_tokens', 'content_filter', 'cancelled']);
/** Why a response ended before the model was done (specification: IncompleteDetails). */
export type IncompleteReason = z.output<typeof incompleteReason>;

/** `text.format` as a response echoes it. The specification has no place for the schema itself: it is null. */
const echoedFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: z.string(),
    description: z.string().nullable(),
    schema: z.null(),
    strict: z.boolean(),
  }),
]);
export type EchoedFormat = z.output<typeof echoedFormat>;

/** The response object (specification: ResponseResource); every field is always there. */
export const responseResource = z.strictObject({
  id: z.string(),
  object: z.literal('response'),
  /** Seconds since the epoch, as all times of the API. */
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: responseStatus,
  incomplete_details: z.strictObject({ reason: incompleteReason }).nullable(),
  model: z.string(),
  previous_response_id: z.string().nullable(),
  conversation: z.strictObject({ id: z.string() }).nullable(),
  instructions: z.string().nullable(),
  output: z.array(outputItem),
  /** `type` is beyond the specification, and what clients of OpenAI look for. */
  error: z.strictObject({ type: z.string(), code: z.string(), message: z.string() }).nullable(),
  tools: z.array(echoedTool),
  tool_choice: toolChoice,
  truncation: z.enum(['auto', 'disabled']),
  parallel_tool_calls: z.boolean(),
  text: z.strictObject({ format: echoedFormat, verbosity: z.enum(['low', 'medium', 'high']).optional() }),
  top_p: z.number(),
  presence_penalty: z.number(),
  frequency_penalty: z.number(),
  top_logprobs: z.int(),
  temperature: z.number(),
  reasoning: z.strictObject({ effort: z.string().nullable(), summary: z.string().nullable() }).nullable(),
  usage: usage.nullable(),
  max_output_tokens: z.int().nullable(),
  max_tool_calls: z.int().nullable(),
  store: z.boolean(),
  background: z.boolean(),
  service_tier: z.string(),
  metadata: z.record(z.string(), z.string()),
  safety_identifier: z.string().nullable(),
  prompt_cache_key: z.string().nullable(),
  user: z.string().nullable(),
});
export type ResponseResource = z.output<typeof responseResource>;

/** What `DELETE /v1/responses/{id}` answers. */
export const deletedResponse = z.strictObject({
  id: z.string(),
  object: z.literal('response'),
  deleted: z.literal(true),
});
