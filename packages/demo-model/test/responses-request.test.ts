import { describe, expect, test } from 'vitest';
import { readResponsesRequest } from '../src/responses-request.ts';

const user = { role: 'user', content: 'hi' };
const said = { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'well' }] };
const call = { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{"a":1}' };
const output = { type: 'function_call_output', call_id: 'c1', output: 'out' };
const tool = (name: string) => ({ type: 'function', name, parameters: {} });

function read(input: unknown, rest: Record<string, unknown> = {}) {
  return readResponsesRequest({ model: 'demo', input, ...rest });
}

describe('readResponsesRequest', () => {
  test('reads a text, or the last message of the user among items', () => {
    expect(read('!text 1')).toMatchObject({ request: { lastUserText: '!text 1', turnIndex: 0, messagesCount: 1 } });
    const parts = [
      { type: 'input_text', text: 'a' },
      { type: 'input_image', image_url: 'data:' },
      { type: 'input_text', text: 'b' },
    ];
    const items = [user, said, { type: 'message', role: 'user', content: parts }];
    expect(read(items, { instructions: '12345' })).toMatchObject({
      request: { lastUserText: 'a\nb', turnIndex: 0, messagesCount: 3, promptTokens: 4 },
    });
  });

  test('what the model said in a row is one turn', () => {
    const reasoning = { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'r' }] };
    const other = { ...call, call_id: 'c2', name: 'g' };
    const outputs = [{ ...output, call_id: 'c2', output: [{ type: 'input_text', text: 'two' }] }, output];
    expect(read([user, reasoning, said, call, other, ...outputs, said])).toMatchObject({
      request: {
        turnIndex: 2,
        exchanges: [
          { tool: 'f', arguments: '{"a":1}', output: 'out' },
          { tool: 'g', arguments: '{"a":1}', output: 'two' },
        ],
      },
    });
    expect(read([user, call, output, other, ...outputs.slice(0, 1)])).toMatchObject({ request: { turnIndex: 2 } });
  });

  test('reads what is asked of the answer', () => {
    const schema = { type: 'object' };
    const rest = {
      stream: true,
      tools: [tool('f'), tool('g'), { type: 'web_search' }],
      tool_choice: { type: 'function', name: 'g' },
      parallel_tool_calls: false,
      text: { format: { type: 'json_schema', name: 'x', schema } },
      include: ['message.output_text.logprobs'],
      top_logprobs: 3,
      max_output_tokens: 20,
    };
    expect(read('hi', rest)).toMatchObject({
      request: {
        stream: true,
        tools: [{ name: 'g', parameters: {} }],
        mustCall: true,
        parallelToolCalls: false,
        format: { schema },
        topLogprobs: 3,
        maxTokens: 20,
      },
    });
    const allowed = { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }] };
    expect(read('hi', { ...rest, tool_choice: allowed, include: [] })).toMatchObject({
      request: { tools: [{ name: 'f' }], mustCall: false, topLogprobs: null },
    });
  });

  test.each<[string, unknown, string]>([
    ['no input', undefined, 'input'],
    ['an empty input', [], 'input'],
    ['an unknown item', [user, { type: 'nothing' }], 'input[1]'],
    ['a message without content', [{ role: 'user' }], 'input[0]'],
    ['a message of an unknown role', [{ role: 'tool', content: 'x' }], 'input[0]'],
    ['a part in the other dialect', [{ role: 'user', content: [{ type: 'text', text: 'x' }] }], 'input[0]'],
    ['what the model said as input', [{ ...said, content: [{ type: 'input_text', text: 'x' }] }], 'input[0]'],
    ['reasoning without a summary', [user, { type: 'reasoning' }], 'input[1]'],
    ['a call without arguments', [{ ...call, arguments: undefined }, output], 'input[0]'],
    ['a call without an output', [user, call, user], 'input[1]'],
    ['an output without a call', [user, output], 'input[1]'],
    ['an output before its call', [output, call], 'input[0]'],
    ['two outputs of a call', [call, output, output], 'input[2]'],
    ['two calls of an id', [call, call, output], 'input[1]'],
  ])('refuses %s', (_, input, param) => {
    expect(read(input)).toMatchObject({ ok: false, param });
  });

  test.each<[string, unknown, string | null]>([
    ['no object', [], null],
    ['no model', { input: 'hi' }, 'model'],
    ['a response to go on from', { model: 'm', input: 'hi', previous_response_id: 'resp_1' }, 'previous_response_id'],
    ['a conversation', { model: 'm', input: 'hi', conversation: 'conv_1' }, 'conversation'],
    ['work in the background', { model: 'm', input: 'hi', background: true }, 'background'],
    [
      'a tool in the other dialect',
      { model: 'm', input: 'hi', tools: [{ type: 'function', function: { name: 'f' } }] },
      'tools[0]',
    ],
    ['a required call without tools', { model: 'm', input: 'hi', tool_choice: 'required' }, 'tool_choice'],
    ['too many alternatives', { model: 'm', input: 'hi', top_logprobs: 21 }, 'top_logprobs'],
  ])('refuses %s', (_, body, param) => {
    expect(readResponsesRequest(body)).toMatchObject({ ok: false, param });
  });
});
