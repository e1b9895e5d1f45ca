/** Streams of Responses servers, as each documents them, and what they say. */
import { type ModelOp, usageOp } from './operations.ts';
import type { Recorded } from './recorded-chat.ts';

type Event = { type: string } & Record<string, unknown>;

/** Events as OpenAI frames them. */
const framed = (...events: Event[]) =>
  events
    .map((event, sequence_number) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number })}\n\n`)
    .join('');

const begun: Event = {
  type: 'response.created',
  response: { id: 'resp_1', object: 'response', status: 'in_progress', output: [], usage: null, service_tier: 'auto' },
};
const ended = (status: 'completed' | 'incomplete', fields: object = {}): Event => ({
  type: `response.${status}`,
  response: { id: 'resp_1', object: 'response', status, service_tier: 'default', ...fields },
});
const tier: ModelOp = { type: 'service_tier', tier: 'default' };
const finished: ModelOp = { type: 'finish', reason: 'stop' };
const item = (phase: 'commentary' | 'final_answer' | null = null): ModelOp => ({ type: 'item', phase });

const usage = {
  input_tokens: 30,
  input_tokens_details: { cached_tokens: 8 },
  output_tokens: 12,
  output_tokens_details: { reasoning_tokens: 5 },
  total_tokens: 42,
};
const source = { type: 'url_citation', url: 'https://a.example', title: 'A', start_index: 0, end_index: 2 } as const;
const message = (id: string, content: object[], rest: object = {}) => ({
  id,
  type: 'message',
  status: 'completed',
  role: 'assistant',
  content,
  ...rest,
});

const text = { item_id: 'msg_1', output_index: 1, content_index: 0 };
const textPart = {
  type: 'output_text',
  text: 'Grüße',
  annotations: [{ type: 'file_citation', file_id: 'f', index: 0, filename: 'f' }, source],
};
const OPENAI: Recorded = {
  server: 'OpenAI: a summary in two parts, sources, a phase, tokens without bytes',
  stream: framed(
    begun,
    { ...begun, type: 'response.in_progress' },
    { type: 'response.output_item.added', output_index: 0, item: { id: 'rs_1', type: 'reasoning', summary: [] } },
    {
      type: 'response.reasoning_summary_part.added',
      item_id: 'rs_1',
      output_index: 0,
      summary_index: 0,
      part: { type: 'summary_text', text: '' },
    },
    {
      type: 'response.reasoning_summary_text.delta',
      item_id: 'rs_1',
      output_index: 0,
      summary_index: 0,
      delta: 'First',
      obfuscation: 'x7',
    },
    {
      type: 'response.reasoning_summary_text.done',
      item_id: 'rs_1',
      output_index: 0,
      summary_index: 0,
      text: 'First',
    },
    {
      type: 'response.reasoning_summary_text.delta',
      item_id: 'rs_1',
      output_index: 0,
      summary_index: 1,
      delta: 'Second',
    },
    {
      type: 'response.output_item.done',
      output_index: 0,
      item: {
        id: 'rs_1',
        type: 'reasoning',
        encrypted_content: 'gAAAA',
        summary: [
          { type: 'summary_text', text: 'First' },
          { type: 'summary_text', text: 'Second' },
        ],
      },
    },
    {
      type: 'response.output_item.added',
      output_index: 1,
      item: message('msg_1', [], { status: 'in_progress', phase: 'final_answer' }),
    },
    { type: 'response.content_part.added', ...text, part: { type: 'output_text', text: '', annotations: [] } },
    {
      type: 'response.output_text.delta',
      ...text,
      delta: 'Grü',
      logprobs: [{ token: 'Grü', logprob: -0.5, top_logprobs: [{ token: 'x', logprob: -3 }] }],
    },
    { type: 'response.output_text.delta', ...text, delta: 'ße', logprobs: [] },
    { type: 'response.output_text.annotation.added', ...text, annotation_index: 0, annotation: source },
    { type: 'response.output_text.done', ...text, text: 'Grüße', logprobs: [] },
    { type: 'response.content_part.done', ...text, part: textPart },
    {
      type: 'response.output_item.done',
      output_index: 1,
      item: message('msg_1', [textPart], { phase: 'final_answer' }),
    },
    ended('completed', { output: [message('msg_1', [textPart])], usage }),
  ),
  ops: [
    item(),
    { type: 'summary', text: 'First' },
    { type: 'part' },
    { type: 'summary', text: 'Second' },
    { type: 'encrypted', content: 'gAAAA' },
    item(),
    item('final_answer'),
    {
      type: 'text',
      text: 'Grü',
      logprobs: [
        {
          token: 'Grü',
          logprob: -0.5,
          bytes: [71, 114, 195, 188],
          top_logprobs: [{ token: 'x', logprob: -3, bytes: [120] }],
        },
      ],
    },
    { type: 'text', text: 'ße' },
    { type: 'annotation', annotation: source },
    item(),
    finished,
    usageOp(30, 12, { cached: 8, reasoning: 5 }),
    tier,
  ],
};

const call = (id: string, call_id: string, args: string) => ({
  id,
  type: 'function_call',
  status: 'completed',
  call_id,
  name: 'get_weather',
  arguments: args,
});
const OPENAI_CALLS: Recorded = {
  server: 'OpenAI: commentary, parallel calls that come interleaved',
  stream: framed(
    begun,
    { type: 'response.output_item.added', output_index: 0, item: message('msg_1', [], { phase: 'commentary' }) },
    { type: 'response.output_text.delta', item_id: 'msg_1', output_index: 0, content_index: 0, delta: 'I look.' },
    {
      type: 'response.output_item.done',
      output_index: 0,
      item: message('msg_1', [{ type: 'output_text', text: 'I look.', annotations: [] }], { phase: 'commentary' }),
    },
    { type: 'response.output_item.added', output_index: 1, item: call('fc_1', 'call_1', '') },
    { type: 'response.output_item.added', output_index: 2, item: call('fc_2', 'call_2', '') },
    { type: 'response.function_call_arguments.delta', item_id: 'fc_2', output_index: 2, delta: '{"b"' },
    { type: 'response.function_call_arguments.delta', item_id: 'fc_1', output_index: 1, delta: '{"a":1}' },
    { type: 'response.function_call_arguments.delta', item_id: 'fc_2', output_index: 2, delta: ':2}' },
    { type: 'response.function_call_arguments.done', item_id: 'fc_1', output_index: 1, arguments: '{"a":1}' },
    { type: 'response.output_item.done', output_index: 1, item: call('fc_1', 'call_1', '{"a":1}') },
    { type: 'response.output_item.done', output_index: 2, item: call('fc_2', 'call_2', '{"b":2}') },
    ended('completed', { usage: null }),
  ),
  ops: [
    item('commentary'),
    { type: 'text', text: 'I look.' },
    item(),
    { type: 'call', index: 0, id: 'call_1', name: 'get_weather' },
    { type: 'call', index: 1, id: 'call_2', name: 'get_weather' },
    { type: 'arguments', index: 1, text: '{"b"' },
    { type: 'arguments', index: 0, text: '{"a":1}' },
    { type: 'arguments', index: 1, text: ':2}' },
    finished,
    tier,
  ],
};

const OPEN_RESPONSES: Recorded = {
  server: 'the specification: raw reasoning, a refusal, [DONE] and CRLF',
  stream: `${framed(
    begun,
    { type: 'response.output_item.added', output_index: 0, item: { id: 'rs_1', type: 'reasoning', summary: [] } },
    { type: 'response.reasoning.delta', item_id: 'rs_1', output_index: 0, content_index: 0, delta: 'Hm' },
    { type: 'response.reasoning.done', item_id: 'rs_1', output_index: 0, content_index: 0, text: 'Hm!' },
    {
      type: 'response.output_item.done',
      output_index: 0,
      item: {
        id: 'rs_1',
        type: 'reasoning',
        status: 'completed',
        summary: [],
        content: [{ type: 'reasoning_text', text: 'Hm!' }],
      },
    },
    { type: 'response.output_item.added', output_index: 1, item: message('msg_1', [], { status: 'in_progress' }) },
    { type: 'response.refusal.delta', item_id: 'msg_1', output_index: 1, content_index: 0, delta: 'No' },
    { type: 'response.refusal.done', item_id: 'msg_1', output_index: 1, content_index: 0, refusal: 'No.' },
    {
      type: 'response.output_item.done',
      output_index: 1,
      item: message('msg_1', [{ type: 'refusal', refusal: 'No.' }]),
    },
    ended('completed'),
  )}data: [DONE]\n\n`.replaceAll('\n', '\r\n'),
  ops: [
    item(),
    { type: 'reasoning', text: 'Hm' },
    { type: 'reasoning', text: '!' },
    item(),
    item(),
    { type: 'refusal', text: 'No' },
    { type: 'refusal', text: '.' },
    item(),
    finished,
    tier,
  ],
};

const VLLM: Recorded = {
  server: 'vLLM: reasoning_text, every item at index 0, cut at the limit',
  stream: framed(
    begun,
    { type: 'response.output_item.added', output_index: 0, item: { id: 'rs_1', type: 'reasoning', summary: [] } },
    { type: 'response.reasoning_text.delta', item_id: 'rs_1', output_index: 0, content_index: 0, delta: 'Hm' },
    {
      type: 'response.output_item.done',
      output_index: 0,
      item: { id: 'rs_1', type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Hm' }] },
    },
    { type: 'response.output_item.added', output_index: 0, item: message('msg_1', [], { status: 'in_progress' }) },
    {
      type: 'response.output_text.delta',
      item_id: 'msg_1',
      output_index: 0,
      content_index: 0,
      delta: 'Ja',
      logprobs: [],
    },
    {
      type: 'response.output_item.done',
      output_index: 0,
      item: message('msg_1', [{ type: 'output_text', text: 'Ja', annotations: [] }], { status: 'incomplete' }),
    },
    ended('incomplete', { incomplete_details: { reason: 'max_output_tokens' }, usage }),
  ),
  ops: [
    item(),
    { type: 'reasoning', text: 'Hm' },
    item(),
    item(),
    { type: 'text', text: 'Ja' },
    { type: 'finish', reason: 'length' },
    usageOp(30, 12, { cached: 8, reasoning: 5 }),
    tier,
  ],
};

const WHOLE_ITEMS: Recorded = {
  server: 'a proxy that sends whole items only, and some kinds that nobody is told of',
  stream: framed(
    {
      type: 'response.output_item.done',
      output_index: 0,
      item: { id: 'ws_1', type: 'web_search_call', status: 'completed', action: { type: 'search' } },
    },
    {
      type: 'response.output_item.done',
      output_index: 1,
      item: { id: 'rs_1', type: 'reasoning', summary: [], encrypted_content: 'gAAAA' },
    },
    {
      type: 'response.output_item.done',
      output_index: 2,
      item: message('msg_1', [
        { type: 'output_text', text: 'a', annotations: [source] },
        { type: 'output_text', text: 'b', annotations: [] },
      ]),
    },
    { type: 'response.output_item.done', output_index: 3, item: call('fc_1', 'call_1', '{}') },
    ended('completed'),
  ),
  ops: [
    item(),
    { type: 'encrypted', content: 'gAAAA' },
    item(),
    item(),
    { type: 'text', text: 'a' },
    { type: 'annotation', annotation: source },
    { type: 'part' },
    { type: 'text', text: 'b' },
    item(),
    { type: 'call', index: 0, id: 'call_1', name: 'get_weather' },
    { type: 'arguments', index: 0, text: '{}' },
    finished,
    tier,
  ],
};

const LAST_EVENT: Recorded = {
  server: 'a gateway that says everything in the last event',
  stream: framed(
    begun,
    ended('completed', {
      output: [
        message('msg_1', [{ type: 'output_text', text: 'all', annotations: [] }]),
        call('fc_1', 'call_1', '{}'),
        call('fc_2', 'call_2', '[]'),
      ],
    }),
  ),
  ops: [
    item(),
    { type: 'text', text: 'all' },
    item(),
    { type: 'call', index: 0, id: 'call_1', name: 'get_weather' },
    { type: 'arguments', index: 0, text: '{}' },
    { type: 'call', index: 1, id: 'call_2', name: 'get_weather' },
    { type: 'arguments', index: 1, text: '[]' },
    finished,
    tier,
  ],
};

/** All of them. */
export const RECORDED_RESPONSES: Recorded[] = [OPENAI, OPENAI_CALLS, OPEN_RESPONSES, VLLM, WHOLE_ITEMS, LAST_EVENT];
