import { describe, expect, test } from 'vitest';
import { readChatRequest } from '../src/chat-request.ts';
import { exchange, offered, question, requestOf } from './request.ts';

const user = { role: 'user', content: 'hi' };
const call = exchange({ id: 'c1', tool: 'f', args: { a: 1 }, output: 'out' });

describe('readChatRequest', () => {
  test('reads the last user message, as a string or in parts', () => {
    const parts = [
      { type: 'text', text: 'a' },
      { type: 'image_url', image_url: { url: 'data:' } },
      { type: 'text', text: '!text 1' },
    ];
    expect(requestOf([user, { role: 'assistant', content: 'x' }, { role: 'user', content: parts }])).toMatchObject({
      lastUserText: 'a\n!text 1',
      turnIndex: 0,
      messagesCount: 3,
    });
  });

  test('the turn index is the number of assistant messages after the last user message', () => {
    const later = exchange({ id: 'c2', tool: 'g', args: {}, output: 'two' });
    const request = requestOf([user, { role: 'assistant', content: 'x' }, user, ...call, ...later]);
    expect(request.turnIndex).toBe(2);
    expect(request.exchanges).toEqual([
      { tool: 'f', arguments: '{"a":1}', output: 'out' },
      { tool: 'g', arguments: '{}', output: 'two' },
    ]);
  });

  test('reads what the answer depends on', () => {
    expect(question('12345')).toMatchObject({ stream: false, includeUsage: false, tools: [], promptTokens: 2 });
    const rest = {
      stream: true,
      stream_options: { include_usage: true },
      tools: offered('f'),
      parallel_tool_calls: false,
    };
    expect(question('hi', rest)).toMatchObject({
      stream: true,
      includeUsage: true,
      tools: [{ name: 'f', parameters: {} }],
      parallelToolCalls: false,
    });
    expect(question('hi', { ...rest, tool_choice: 'none' }).tools).toEqual([]);
  });

  test('reads what is asked of the answer', () => {
    expect(question('hi')).toMatchObject({ format: 'text', topLogprobs: null, maxTokens: null, mustCall: false });
    const schema = { type: 'object' };
    const rest = {
      logprobs: true,
      top_logprobs: 2,
      max_tokens: 5,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
    };
    expect(question('hi', rest)).toMatchObject({ format: { schema }, topLogprobs: 2, maxTokens: 5 });
    expect(question('hi', { response_format: { type: 'json_object' }, max_completion_tokens: 7 })).toMatchObject({
      format: 'json',
      maxTokens: 7,
    });
  });

  test.each<[string, unknown, string[], boolean]>([
    ['auto', 'auto', ['f', 'g'], false],
    ['none', 'none', [], false],
    ['required', 'required', ['f', 'g'], true],
    ['one function', { type: 'function', function: { name: 'g' } }, ['g'], true],
    [
      'allowed tools',
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'g' } }] },
      },
      ['g'],
      false,
    ],
    [
      'allowed tools, one of which is required',
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      ['f'],
      true,
    ],
  ])('tool_choice: %s', (_, tool_choice, names, mustCall) => {
    const request = question('hi', { tools: offered('f', 'g'), tool_choice });
    expect(request.tools.map((tool) => tool.name)).toEqual(names);
    expect(request.mustCall).toBe(mustCall);
  });

  test.each<[string, unknown, string | null]>([
    ['no object', [], null],
    ['no model', { messages: [user] }, 'model'],
    ['no messages', { model: 'm' }, 'messages'],
    ['empty messages', { model: 'm', messages: [] }, 'messages'],
    ['a message without a role', { model: 'm', messages: [user, {}] }, 'messages[1]'],
    ['content of a wrong type', { model: 'm', messages: [{ role: 'user', content: 7 }] }, 'messages[0]'],
    [
      'a tool call without arguments',
      { model: 'm', messages: [user, { role: 'assistant', tool_calls: [{ id: 'x', function: { name: 'f' } }] }] },
      'messages[1]',
    ],
    [
      'a tool message without a call',
      { model: 'm', messages: [user, { role: 'tool', tool_call_id: 'c1', content: '' }] },
      'messages[1]',
    ],
    ['a call without an answer', { model: 'm', messages: [user, call[0]] }, 'messages[1]'],
    ['a call answered too late', { model: 'm', messages: [user, call[0], user, call[1]] }, 'messages[2]'],
    ['a required call without tools', { model: 'm', messages: [user], tool_choice: 'required' }, 'tool_choice'],
    [
      'a choice of a tool that is not offered',
      {
        model: 'm',
        messages: [user],
        tools: offered('f'),
        tool_choice: { type: 'function', function: { name: 'g' } },
      },
      'tool_choice',
    ],
    [
      'a tool in the other dialect',
      { model: 'm', messages: [user], tools: [{ type: 'function', name: 'f' }] },
      'tools[0]',
    ],
    ['too many alternatives', { model: 'm', messages: [user], logprobs: true, top_logprobs: 21 }, 'top_logprobs'],
    ['a call answered twice', { model: 'm', messages: [user, ...call, call[1]] }, 'messages[3]'],
  ])('refuses %s', (_, body, param) => {
    expect(readChatRequest(body)).toMatchObject({ ok: false, param });
  });
});
