import { z } from 'zod';
import { inputItem } from './input-items.ts';

const functionName = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-zA-Z0-9_-]+$/, 'only letters, digits, _ and - are allowed');

const functionTool = z.strictObject({
  type: z.literal('function'),
  name: functionName,
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});

const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/, 'not the name of a header');
const headerValue = z
  .string()
  .max(8_192)
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'not the value of a header');
const serverLabel = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-zA-Z0-9_-]+$/, 'only letters, digits, _ and - are allowed');
const toolNames = z.array(z.string().min(1).max(256)).max(1_000);
const someTools = z.strictObject({ tool_names: toolNames });

/** A server of tools that speaks the Model Context Protocol (OpenAI: Tool.Mcp). Without `server_url` it is a registered one. */
const mcpTool = z.strictObject({
  type: z.literal('mcp'),
  server_label: serverLabel,
  server_url: z
    .url({ protocol: /^https?$/, error: 'not an HTTP address' })
    .max(8_192)
    .nullish(),
  server_description: z.string().max(10_000).nullish(),
  headers: z.record(headerName, headerValue).nullish(),
  authorization: headerValue.nullish(),
  allowed_tools: z.union([toolNames, someTools]).nullish(),
  require_approval: z
    .union([z.enum(['always', 'never']), z.strictObject({ always: someTools.nullish(), never: someTools.nullish() })])
    .nullish(),
});

const mcpChoice = z.strictObject({
  type: z.literal('mcp'),
  server_label: serverLabel,
  name: z.string().min(1).max(256).nullish(),
});

const functionChoice = z.strictObject({ type: z.literal('function'), name: functionName });

/** `tool_choice` (specification: ToolChoiceParam; OpenAI: ToolChoiceMcp). */
export const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion('type', [
    functionChoice,
    mcpChoice,
    z.strictObject({
      type: z.literal('allowed_tools'),
      tools: z
        .array(z.discriminatedUnion('type', [functionChoice, mcpChoice]))
        .min(1)
        .max(128),
      mode: z.enum(['none', 'auto', 'required']).default('auto'),
    }),
  ]),
]);

const textFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: functionName,
    description: z.string().nullish(),
    schema: z.record(z.string(), z.unknown()),
    strict: z.boolean().nullish(),
  }),
]);

/** Key-value pairs that belong to a client (specification: MetadataParam). */
export const metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine((value) => Object.keys(value).length <= 16, 'at most 16 pairs are allowed');

/** `input`: one text of the user, or items. */
export const requestInput = z.union([z.string().max(10_485_760), z.array(inputItem).max(10_000)]);

/**
 * The body of `POST /v1/responses` (specification: CreateResponseBody). Unknown fields are refused rather than dropped in
 * silence.
 */
export const createResponseBody = z.strictObject({
  model: z.string().min(1).max(256),
  input: requestInput.nullish(),
  instructions: z.string().nullish(),
  previous_response_id: z.string().nullish(),
  conversation: z.union([z.string(), z.strictObject({ id: z.string() })]).nullish(),
  include: z
    .array(z.enum(['reasoning.encrypted_content', 'message.output_text.logprobs', 'tailrace.progress']))
    .nullish(),
  tools: z
    .array(z.discriminatedUnion('type', [functionTool, mcpTool]))
    .max(128)
    .nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  max_tool_calls: z.int().min(1).nullish(),
  max_output_tokens: z.int().min(16).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  text: z
    .strictObject({ format: textFormat.nullish(), verbosity: z.enum(['low', 'medium', 'high']).nullish() })
    .nullish(),
  reasoning: z
    .strictObject({
      effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).nullish(),
      summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
    })
    .nullish(),
  metadata: metadata.nullish(),
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_obfuscation: z.boolean().nullish() }).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  service_tier: z.enum(['auto', 'default', 'flex', 'priority']).nullish(),
  safety_identifier: z.string().max(64).nullish(),
  prompt_cache_key: z.string().max(64).nullish(),
  user: z.string().max(512).nullish(),
});

/**
 * A message of a client over a WebSocket (specification: WebSocketResponseCreateEvent): the body without what only makes
 * sense over HTTP.
 */
export const webSocketCreateEvent = createResponseBody
  .omit({ stream: true, stream_options: true, background: true })
  .extend({ type: z.literal('response.create') });

/** The body of `POST /v1/responses/compact` (specification: CompactResponseMethodPublicBody). */
export const compactBody = createResponseBody.pick({
  model: true,
  input: true,
  previous_response_id: true,
  instructions: true,
  prompt_cache_key: true,
});

/** The body of `POST /v1/responses/input_tokens`: what of a request counts. */
export const inputTokensBody = createResponseBody.pick({
  model: true,
  input: true,
  previous_response_id: true,
  conversation: true,
  instructions: true,
  tools: true,
  tool_choice: true,
  parallel_tool_calls: true,
  reasoning: true,
  text: true,
  truncation: true,
});

/** A valid body of `POST /v1/responses`. */
export type CreateResponseBody = z.output<typeof createResponseBody>;

/** A function that the client offers, and answers itself. */
export type FunctionToolParam = z.output<typeof functionTool>;

/** An MCP server that the client names, and maybe brings along. */
export type McpToolParam = z.output<typeof mcpTool>;

/** `tool_choice` as a client sends it. */
export type ToolChoice = z.output<typeof toolChoice>;

/** `text.format` as a client sends it. */
export type TextFormat = z.output<typeof textFormat>;
