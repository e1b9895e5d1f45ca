/** What a client may put into a request as context (specification: ItemParam and its members; OpenAI: ResponseInputItem.Mcp…). */
import { z } from 'zod';

const TEXT_CHARS = 10_485_760;
const IMAGE_CHARS = 20_971_520;
const FILE_CHARS = 33_554_432;

const text = z.string().max(TEXT_CHARS);
const itemStatus = z.enum(['in_progress', 'completed', 'incomplete']).nullish();
/** No control characters: ids are kept as text, and Postgres' text has no room for all of them. */
const plainId = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[^\p{Cc}]*$/u, 'control characters are not allowed');
const id = plainId.nullish();

const inputText = z.strictObject({ type: z.literal('input_text'), text });
const inputImage = z.strictObject({
  type: z.literal('input_image'),
  image_url: z.string().min(1).max(IMAGE_CHARS),
  detail: z.enum(['low', 'high', 'auto', 'original']).nullish(),
});
/** `file_data` is a data URL or base64; `text`, which no client sends, is what the server has read out of the file. */
const inputFile = z
  .strictObject({
    type: z.literal('input_file'),
    filename: z.string().max(512).nullish(),
    file_data: z.string().min(1).max(FILE_CHARS).nullish(),
    file_url: z.string().min(1).max(8_192).nullish(),
  })
  .transform((part) => ({ ...part, text: null as string | null }));

const urlCitation = z.object({
  type: z.literal('url_citation'),
  url: z.string(),
  title: z.string(),
  start_index: z.int(),
  end_index: z.int(),
});
const outputText = z.strictObject({
  type: z.literal('output_text'),
  text,
  annotations: z.array(z.union([urlCitation, z.looseObject({ type: z.string() })])).nullish(),
  logprobs: z.array(z.unknown()).nullish(),
});
const refusal = z.strictObject({ type: z.literal('refusal'), refusal: text });

const messageItem = z.strictObject({
  type: z.literal('message'),
  id,
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content: z.union([
    text,
    z.array(z.discriminatedUnion('type', [inputText, inputImage, inputFile, outputText, refusal])).max(10_000),
  ]),
  status: itemStatus,
  phase: z.enum(['commentary', 'final_answer']).nullish(),
});

const functionCallItem = z.strictObject({
  type: z.literal('function_call'),
  id,
  call_id: z.string().min(1).max(64),
  name: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[a-zA-Z0-9_-]+$/, 'only letters, digits, _ and - are allowed'),
  arguments: text,
  status: itemStatus,
});

const functionCallOutputItem = z.strictObject({
  type: z.literal('function_call_output'),
  id,
  call_id: z.string().min(1).max(64),
  output: z.union([text, z.array(z.discriminatedUnion('type', [inputText, inputImage, inputFile])).max(10_000)]),
  status: itemStatus,
});

const reasoningItem = z.strictObject({
  type: z.literal('reasoning'),
  id,
  summary: z.array(z.strictObject({ type: z.literal('summary_text'), text })).default([]),
  content: z.array(z.strictObject({ type: z.literal('reasoning_text'), text })).nullish(),
  encrypted_content: z.string().max(TEXT_CHARS).nullish(),
  status: itemStatus,
});

const compactionItem = z.strictObject({
  type: z.literal('compaction'),
  id,
  encrypted_content: z.string().min(1).max(TEXT_CHARS),
  created_by: z.string().nullish(),
});

/** A string may be missing where an item is sent back that never had one. */
const orNull = z
  .string()
  .max(TEXT_CHARS)
  .nullish()
  .transform((value) => value ?? null);
const label = z.string().min(1).max(64);
const toolName = z.string().min(1).max(256);

const mcpListToolsItem = z.strictObject({
  type: z.literal('mcp_list_tools'),
  id,
  server_label: label,
  tools: z
    .array(
      z.strictObject({
        name: toolName,
        description: orNull,
        input_schema: z.record(z.string(), z.unknown()),
        annotations: z
          .record(z.string(), z.unknown())
          .nullish()
          .transform((value) => value ?? null),
      }),
    )
    .max(1_000),
  error: orNull,
});

const mcpCallItem = z.strictObject({
  type: z.literal('mcp_call'),
  id: plainId,
  status: z.enum(['in_progress', 'completed', 'incomplete', 'calling', 'failed']).nullish(),
  server_label: label,
  name: toolName,
  arguments: text,
  output: orNull,
  error: orNull,
  approval_request_id: plainId.nullish().transform((value) => value ?? null),
});

const mcpApprovalRequestItem = z.strictObject({
  type: z.literal('mcp_approval_request'),
  id: plainId,
  server_label: label,
  name: toolName,
  arguments: text,
});

const mcpApprovalResponseItem = z.strictObject({
  type: z.literal('mcp_approval_response'),
  id,
  approval_request_id: plainId,
  approve: z.boolean(),
  reason: orNull,
});

const itemReference = z.strictObject({ type: z.literal('item_reference'), id: plainId });

const itemUnion = z.discriminatedUnion('type', [
  messageItem,
  functionCallItem,
  functionCallOutputItem,
  reasoningItem,
  compactionItem,
  mcpListToolsItem,
  mcpCallItem,
  mcpApprovalRequestItem,
  mcpApprovalResponseItem,
  itemReference,
]);

/** An item of a request's `input`. A message may leave out its `type`, and so may a reference. */
export const inputItem = z.preprocess(withType, itemUnion);

/** An item of a request's `input`, as a client sends it. */
export type InputItem = z.output<typeof itemUnion>;

/** An item as it is kept: references have been replaced by what they name. */
export type KeptItem = Exclude<InputItem, { type: 'item_reference' }>;

/** A part of a message that a client sent. */
export type InputContent = Exclude<Extract<InputItem, { type: 'message' }>['content'], string>[number];

/** A file that a client sent. */
export type InputFile = Extract<InputContent, { type: 'input_file' }>;

function withType(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  if ('type' in value && value.type !== null && value.type !== undefined) return value;
  if ('role' in value) return { ...value, type: 'message' };
  return 'id' in value ? { ...value, type: 'item_reference' } : value;
}
