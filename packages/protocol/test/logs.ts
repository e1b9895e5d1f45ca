/** Events for tables: a log is `numbered([created, added(message), …])`. */
import {
  foldItems,
  type OutputFunctionCall,
  type OutputFunctionCallOutput,
  type OutputItem,
  type OutputMcpCall,
  type OutputMcpListTools,
  type OutputMessage,
  type OutputReasoning,
  type ResponseEvent,
  type ResponseResource,
  type UnnumberedEvent,
} from '../src/index.ts';

/** The response object of every log here. */
export const resource = (fields: Partial<ResponseResource> = {}): ResponseResource => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  completed_at: null,
  status: 'in_progress',
  incomplete_details: null,
  model: 'm',
  previous_response_id: null,
  conversation: null,
  instructions: null,
  output: [],
  error: null,
  tools: [],
  tool_choice: 'auto',
  truncation: 'disabled',
  parallel_tool_calls: true,
  text: { format: { type: 'text' } },
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  top_logprobs: 0,
  temperature: 1,
  reasoning: null,
  usage: null,
  max_output_tokens: null,
  max_tool_calls: null,
  store: true,
  background: false,
  service_tier: 'default',
  metadata: {},
  safety_identifier: null,
  prompt_cache_key: null,
  user: null,
  ...fields,
});

/** A message that has just begun. */
export const message: OutputMessage = {
  type: 'message',
  id: 'msg_1',
  status: 'in_progress',
  role: 'assistant',
  content: [],
};
/** Reasoning that has just begun. */
export const thoughts: OutputReasoning = {
  type: 'reasoning',
  id: 'rs_1',
  status: 'in_progress',
  summary: [],
  content: [],
};
/** A call that has just begun. */
export const call: OutputFunctionCall = {
  type: 'function_call',
  id: 'fc_1',
  status: 'in_progress',
  call_id: 'call_1',
  name: 'f',
  arguments: '',
};
/** An output that is not there yet. */
export const output: OutputFunctionCallOutput = {
  type: 'function_call_output',
  id: 'fco_1',
  status: 'in_progress',
  call_id: 'call_1',
  output: '',
};
/** A call of an MCP server that has just begun. */
export const mcpCall: OutputMcpCall = {
  type: 'mcp_call',
  id: 'mcp_1',
  status: 'in_progress',
  server_label: 'docs',
  name: 'search',
  arguments: '',
  output: null,
  error: null,
  approval_request_id: null,
};
/** What an MCP server can do, before it has said so. */
export const mcpList: OutputMcpListTools = {
  type: 'mcp_list_tools',
  id: 'mcpl_1',
  server_label: 'docs',
  tools: [],
  error: null,
};
/** A text without annotations. */
export const textPart = (text: string) => ({ type: 'output_text' as const, text, annotations: [], logprobs: [] });

/** An item begins. */
export const added = (item: OutputItem, output_index = 0) =>
  ({ type: 'response.output_item.added', output_index, item }) as const;
/** An item ends. */
export const done = (item: OutputItem, output_index = 0) =>
  ({ type: 'response.output_item.done', output_index, item }) as const;
/** The first part of {@link message}, as the first item. */
export const inMessage = { item_id: 'msg_1', output_index: 0, content_index: 0 };
/** The first part of {@link thoughts}, as the first item. */
export const inThoughts = { item_id: 'rs_1', output_index: 0, content_index: 0 };
/** {@link call}, as the first item. */
export const inCall = { item_id: 'fc_1', output_index: 0 };
/** A text begins in {@link message}. */
export const openPart = { type: 'response.content_part.added', ...inMessage, part: textPart('') } as const;
/** A piece of the text of {@link message}. */
export const delta = (text: string): UnnumberedEvent => ({
  type: 'response.output_text.delta',
  ...inMessage,
  delta: text,
  logprobs: [],
});
/** The text of {@link message} ends. */
export const textDone = (text: string) =>
  ({ type: 'response.output_text.done' as const, ...inMessage, text, logprobs: [] }) satisfies UnnumberedEvent;
/** The part of {@link message} ends. */
export const partDone = (text: string) =>
  ({ type: 'response.content_part.done', ...inMessage, part: textPart(text) }) as const;

/** The events as they stand in a log. */
export const numbered = (events: UnnumberedEvent[]): ResponseEvent[] =>
  events.map((event, sequence_number) => ({ ...event, sequence_number }));
/** What a step’s events build. */
export const foldRun = (events: UnnumberedEvent[]) => foldItems(numbered(events), 0);

/** The first event of every log. */
export const created: UnnumberedEvent = { type: 'response.created', response: resource() };
