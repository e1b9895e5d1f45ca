/** Streams of chat-completions servers, as each documents them, and what they say. */
import { type ModelOp, usageOp } from './operations.ts';

/** A stream in its bytes, as text, and the operations that it amounts to. */
export interface Recorded {
  server: string;
  stream: string;
  ops: ModelOp[];
}

const data = (...chunks: (object | string)[]) =>
  chunks.map((chunk) => `data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`).join('');

const openai = (fields: object) => ({
  id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
  object: 'chat.completion.chunk',
  created: 1741569952,
  model: 'gpt-5.4',
  service_tier: 'default',
  system_fingerprint: 'fp_44709d6fcb',
  usage: null,
  ...fields,
});
const choice = (delta: object, finish_reason: string | null = null, rest: object = {}) => ({
  choices: [{ index: 0, delta, logprobs: null, finish_reason, ...rest }],
});
const tier: ModelOp = { type: 'service_tier', tier: 'default' };

const OPENAI: Recorded = {
  server: 'OpenAI: text, log probabilities, sources, usage in a chunk of its own',
  stream: data(
    openai(choice({ role: 'assistant', content: '', refusal: null, annotations: [] })),
    openai(
      choice({ content: 'Grüße' }, null, {
        logprobs: {
          content: [
            {
              token: 'Grüße',
              logprob: -0.25,
              bytes: [71, 114, 195, 188, 195, 159, 101],
              top_logprobs: [{ token: 'Hallo', logprob: -1.5, bytes: [72, 97, 108, 108, 111] }],
            },
          ],
          refusal: null,
        },
      }),
    ),
    openai(
      choice({
        content: ' 👋',
        annotations: [
          {
            type: 'url_citation',
            url_citation: { url: 'https://a.example', title: 'A', start_index: 0, end_index: 5 },
          },
        ],
      }),
    ),
    openai(choice({}, 'stop')),
    openai({
      choices: [],
      usage: {
        prompt_tokens: 19,
        completion_tokens: 10,
        total_tokens: 29,
        prompt_tokens_details: { cached_tokens: 16, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 4, audio_tokens: 0, accepted_prediction_tokens: 0 },
      },
    }),
    '[DONE]',
  ),
  ops: [
    tier,
    {
      type: 'text',
      text: 'Grüße',
      logprobs: [
        {
          token: 'Grüße',
          logprob: -0.25,
          bytes: [71, 114, 195, 188, 195, 159, 101],
          top_logprobs: [{ token: 'Hallo', logprob: -1.5, bytes: [72, 97, 108, 108, 111] }],
        },
      ],
    },
    tier,
    { type: 'text', text: ' 👋' },
    {
      type: 'annotation',
      annotation: { type: 'url_citation', url: 'https://a.example', title: 'A', start_index: 0, end_index: 5 },
    },
    tier,
    { type: 'finish', reason: 'stop' },
    tier,
    usageOp(19, 10, { cached: 16, reasoning: 4 }),
    tier,
  ],
};

const OPENAI_CALLS: Recorded = {
  server: 'OpenAI: parallel calls',
  stream: data(
    openai(choice({ role: 'assistant', content: null })),
    openai(
      choice({
        tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '' } }],
      }),
    ),
    openai(choice({ tool_calls: [{ index: 0, function: { arguments: '{"city":"' } }] })),
    openai(choice({ tool_calls: [{ index: 0, function: { arguments: 'Zürich"}' } }] })),
    openai(
      choice({
        tool_calls: [{ index: 1, id: 'call_2', type: 'function', function: { name: 'get_weather', arguments: '' } }],
      }),
    ),
    openai(choice({ tool_calls: [{ index: 1, function: { arguments: '{"city":"東京"}' } }] })),
    openai(choice({}, 'tool_calls')),
    '[DONE]',
  ),
  ops: [
    tier,
    { type: 'call', index: 0, id: 'call_1', name: 'get_weather' },
    tier,
    { type: 'arguments', index: 0, text: '{"city":"' },
    tier,
    { type: 'arguments', index: 0, text: 'Zürich"}' },
    tier,
    { type: 'call', index: 1, id: 'call_2', name: 'get_weather' },
    tier,
    { type: 'arguments', index: 1, text: '{"city":"東京"}' },
    tier,
    { type: 'finish', reason: 'stop' },
    tier,
  ],
};

const VLLM: Recorded = {
  server: 'vLLM: reasoning, usage in every chunk',
  stream: data(
    { id: 'c', object: 'chat.completion.chunk', ...choice({ role: 'assistant', content: '' }), usage: usage(5, 0) },
    { id: 'c', ...choice({ reasoning_content: 'Hm' }), usage: usage(5, 1) },
    { id: 'c', ...choice({ content: 'Ja', reasoning_content: null }), usage: usage(5, 2) },
    { id: 'c', ...choice({ content: '' }, 'stop', { stop_reason: null }), usage: usage(5, 3) },
    { id: 'c', choices: [], usage: usage(5, 3) },
    '[DONE]',
  ),
  ops: [
    usageOp(5, 0),
    { type: 'reasoning', text: 'Hm' },
    usageOp(5, 1),
    { type: 'text', text: 'Ja' },
    usageOp(5, 2),
    { type: 'finish', reason: 'stop' },
    usageOp(5, 3),
    usageOp(5, 3),
  ],
};

function usage(prompt_tokens: number, completion_tokens: number) {
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

const OLLAMA: Recorded = {
  server: 'Ollama: reasoning, a whole call without fragments',
  stream: data(
    { ...choice({ role: 'assistant', content: '', reasoning: 'Let me see' }), system_fingerprint: 'fp_ollama' },
    choice({
      role: 'assistant',
      content: '',
      tool_calls: [{ id: 'call_9', index: 0, type: 'function', function: { name: 'add', arguments: '{"a":1,"b":2}' } }],
    }),
    choice({ role: 'assistant', content: '' }, 'tool_calls'),
    { choices: [], usage: usage(169, 21) },
    '[DONE]',
  ),
  ops: [
    { type: 'reasoning', text: 'Let me see' },
    { type: 'call', index: 0, id: 'call_9', name: 'add' },
    { type: 'arguments', index: 0, text: '{"a":1,"b":2}' },
    { type: 'finish', reason: 'stop' },
    usageOp(169, 21),
  ],
};

const LLAMA_CPP: Recorded = {
  server: 'llama.cpp: no usage unless asked, timings, tokens with their ids',
  stream: data(
    choice({ role: 'assistant', content: null }),
    choice({ content: 'Hi' }, null, {
      logprobs: { content: [{ id: 13347, token: 'Hi', bytes: [72, 105], logprob: -0.5, top_logprobs: [] }] },
    }),
    { ...choice({}, 'length'), timings: { prompt_n: 1, predicted_n: 1 } },
    '[DONE]',
  ),
  ops: [
    { type: 'text', text: 'Hi', logprobs: [{ token: 'Hi', bytes: [72, 105], logprob: -0.5, top_logprobs: [] }] },
    { type: 'finish', reason: 'length' },
  ],
};

const OPENROUTER: Recorded = {
  server: 'OpenRouter: comments, details of reasoning beside the plain text, sources, CRLF',
  stream: `: OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n${data(
    choice({
      role: 'assistant',
      content: '',
      reasoning: 'Thinking',
      reasoning_details: [{ type: 'reasoning.summary', summary: 'Thinking', format: 'openai-responses-v1', index: 0 }],
    }),
    choice({
      content: '',
      reasoning: 'aloud',
      reasoning_details: [{ type: 'reasoning.text', text: 'aloud', signature: null, index: 0 }],
    }),
    choice({ content: '', reasoning_details: [{ type: 'reasoning.encrypted', data: 'gAAAA', id: 'rs_1', index: 0 }] }),
    choice({
      content: 'Done',
      annotations: [
        {
          type: 'url_citation',
          url_citation: { url: 'https://b.example', content: 'long', start_index: 1, end_index: 3 },
        },
        { type: 'file', file: { hash: 'x' } },
      ],
    }),
    choice({ content: '' }, 'stop', { native_finish_reason: 'completed' }),
    { choices: [choice({ role: 'assistant', content: '' }).choices[0]], usage: { ...usage(7, 3), cost: 0.001 } },
    '[DONE]',
  )}`.replaceAll('\n', '\r\n'),
  ops: [
    { type: 'summary', text: 'Thinking' },
    { type: 'reasoning', text: 'aloud' },
    { type: 'encrypted', content: 'gAAAA' },
    { type: 'text', text: 'Done' },
    {
      type: 'annotation',
      annotation: { type: 'url_citation', url: 'https://b.example', title: '', start_index: 1, end_index: 3 },
    },
    { type: 'finish', reason: 'stop' },
    usageOp(7, 3),
  ],
};

const DEEPSEEK: Recorded = {
  server: 'DeepSeek: keep-alive comments, cache hits in a field of their own, usage in the last chunk',
  stream: `: keep-alive\n\n${data(
    choice({ role: 'assistant', content: null, reasoning_content: '' }),
    choice({ content: null, reasoning_content: '想' }),
    choice({ content: '好', reasoning_content: null }),
    {
      ...choice({ content: '', reasoning_content: null }, 'stop'),
      usage: {
        ...usage(20, 9),
        prompt_cache_hit_tokens: 12,
        prompt_cache_miss_tokens: 8,
        completion_tokens_details: { reasoning_tokens: 6 },
      },
    },
    '[DONE]',
  )}`,
  ops: [
    { type: 'reasoning', text: '想' },
    { type: 'text', text: '好' },
    { type: 'finish', reason: 'stop' },
    usageOp(20, 9, { cached: 12, reasoning: 6 }),
  ],
};

const MISTRAL: Recorded = {
  server: 'Mistral: content in parts, calls without an index, its own names of ends',
  stream: data(
    choice({ role: 'assistant', content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Voyons' }] }] }),
    choice({ content: [{ type: 'text', text: 'C’est ' }] }),
    choice({ content: [{ type: 'text', text: 'ça' }, { type: 'reference', reference_ids: [1] }, '.'] }),
    choice({ content: '', tool_calls: [{ id: 'D681PevKs', function: { name: 'f', arguments: '{}' } }] }),
    { ...choice({ content: '' }, 'model_length'), usage: usage(3, 4) },
    '[DONE]',
  ),
  ops: [
    { type: 'reasoning', text: 'Voyons' },
    { type: 'text', text: 'C’est ' },
    { type: 'text', text: 'ça.' },
    { type: 'call', index: 0, id: 'D681PevKs', name: 'f' },
    { type: 'arguments', index: 0, text: '{}' },
    { type: 'finish', reason: 'length' },
    usageOp(3, 4),
  ],
};

const OLD: Recorded = {
  server: 'an old one: function_call, no reason of its end, no space after the colon',
  stream: data(
    choice({ role: 'assistant', content: null, function_call: { name: 'f', arguments: '' } }),
    choice({ function_call: { name: 'f', arguments: '{"a"' } }),
    choice({ function_call: { arguments: ':1}' } }),
    '[DONE]',
  ).replaceAll('data: ', 'data:'),
  ops: [
    { type: 'call', index: 0, id: null, name: 'f' },
    { type: 'arguments', index: 0, text: '{"a"' },
    { type: 'arguments', index: 0, text: ':1}' },
  ],
};

/** All of them. */
export const RECORDED_CHAT: Recorded[] = [
  OPENAI,
  OPENAI_CALLS,
  VLLM,
  OLLAMA,
  LLAMA_CPP,
  OPENROUTER,
  DEEPSEEK,
  MISTRAL,
  OLD,
];
