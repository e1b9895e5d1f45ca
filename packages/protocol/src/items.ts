/** The items of a response's output (specification: ItemField and its members). */
import { z } from 'zod';

/** Whether an item is still being produced, whole, or broken off. */
export const itemStatus = z.enum(['in_progress', 'completed', 'incomplete']);
export type ItemStatus = z.output<typeof itemStatus>;

/** A source that a span of a text names (specification: UrlCitationBody). Indexes count UTF-16 units of the text. */
export const annotation = z.strictObject({
  type: z.literal('url_citation'),
  url: z.string(),
  start_index: z.int(),
  end_index: z.int(),
  title: z.string(),
});
export type Annotation = z.output<typeof annotation>;

const tokenLogProb = { token: z.string(), logprob: z.number(), bytes: z.array(z.int()) };

/** How likely a token was, and what might have stood in its place (specification: LogProb). */
export const logProb = z.strictObject({ ...tokenLogProb, top_logprobs: z.array(z.strictObject(tokenLogProb)) });
export type LogProb = z.output<typeof logProb>;

/** A part of an assistant message (specification: OutputTextContent, RefusalContent). */
export const outputContent = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('output_text'),
    text: z.string(),
    annotations: z.array(annotation),
    logprobs: z.array(logProb),
  }),
  z.strictObject({ type: z.literal('refusal'), refusal: z.string() }),
]);
export type OutputContent = z.output<typeof outputContent>;

/** A message of the model (specification: Message). */
export const outputMessage = z.strictObject({
  type: z.literal('message'),
  id: z.string(),
  status: itemStatus,
  role: z.literal('assistant'),
  content: z.array(outputContent),
  phase: z.enum(['commentary', 'final_answer']).optional(),
});
export type OutputMessage = z.output<typeof outputMessage>;

/** A piece of what the model thought (specification: ReasoningTextContent). */
export const reasoningText = z.strictObject({ type: z.literal('reasoning_text'), text: z.string() });
/** A piece of a summary of what the model thought (specification: SummaryTextContent). */
export const summaryText = z.strictObject({ type: z.literal('summary_text'), text: z.string() });

/** What the model thought (specification: ReasoningBody). */
export const outputReasoning = z.strictObject({
  type: z.literal('reasoning'),
  id: z.string(),
  status: itemStatus,
  summary: z.array(summaryText),
  content: z.array(reasoningText),
  encrypted_content: z.string().optional(),
});
export type OutputReasoning = z.output<typeof outputReasoning>;

/** A call that the model makes (specification: FunctionCall). */
export const outputFunctionCall = z.strictObject({
  type: z.literal('function_call'),
  id: z.string(),
  status: itemStatus,
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
});
export type OutputFunctionCall = z.output<typeof outputFunctionCall>;

/** The output of a call that the server ran (specification: FunctionCallOutput). */
export const outputFunctionCallOutput = z.strictObject({
  type: z.literal('function_call_output'),
  id: z.string(),
  status: itemStatus,
  call_id: z.string(),
  output: z.string(),
});
export type OutputFunctionCallOutput = z.output<typeof outputFunctionCallOutput>;

/** An item that stands for a conversation which has been compacted (specification: CompactionBody). */
export const compactionBody = z.strictObject({
  type: z.literal('compaction'),
  id: z.string(),
  encrypted_content: z.string(),
});

/** A tool that an MCP server has (OpenAI: McpListTools.Tool). */
const mcpListedTool = z.strictObject({
  name: z.string(),
  description: z.string().nullable(),
  input_schema: z.record(z.string(), z.unknown()),
  annotations: z.record(z.string(), z.unknown()).nullable(),
});

/** What an MCP server can do (OpenAI: McpListTools). It has no status: it is empty until it is done. */
export const outputMcpListTools = z.strictObject({
  type: z.literal('mcp_list_tools'),
  id: z.string(),
  server_label: z.string(),
  tools: z.array(mcpListedTool),
  error: z.string().nullable(),
});
export type OutputMcpListTools = z.output<typeof outputMcpListTools>;

/** A call of an MCP server's tool, with its output (OpenAI: McpCall). */
export const outputMcpCall = z.strictObject({
  type: z.literal('mcp_call'),
  id: z.string(),
  status: z.enum(['in_progress', 'completed', 'incomplete', 'failed']),
  server_label: z.string(),
  name: z.string(),
  arguments: z.string(),
  output: z.string().nullable(),
  error: z.string().nullable(),
  approval_request_id: z.string().nullable(),
});
export type OutputMcpCall = z.output<typeof outputMcpCall>;

/** A call of an MCP server's tool that waits for the client's word (OpenAI: McpApprovalRequest). */
export const outputMcpApprovalRequest = z.strictObject({
  type: z.literal('mcp_approval_request'),
  id: z.string(),
  server_label: z.string(),
  name: z.string(),
  arguments: z.string(),
});
export type OutputMcpApprovalRequest = z.output<typeof outputMcpApprovalRequest>;

/** An item that a model step produces. */
export type ModelItem = OutputMessage | OutputReasoning | OutputFunctionCall;

/** An item that a tool step produces. */
export type ToolItem = OutputFunctionCallOutput | OutputMcpListTools | OutputMcpCall | OutputMcpApprovalRequest;

/** An item of a response's `output`. */
export const outputItem = z.discriminatedUnion('type', [
  outputMessage,
  outputReasoning,
  outputFunctionCall,
  outputFunctionCallOutput,
  outputMcpListTools,
  outputMcpCall,
  outputMcpApprovalRequest,
]);
export type OutputItem = z.output<typeof outputItem>;
