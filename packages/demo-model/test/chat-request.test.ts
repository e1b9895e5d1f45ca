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
      tools: ['f'],
      parallelToolCalls: false,
    });
    expect(question('hi', { ...rest, tool_choice: 'none' }).tools).toEqual([]);
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
    ['a call answered twice', { model: 'm', messages: [user, ...call, call[1]] }, 'messages[3]'],
  ])('refuses %s', (_, body, param) => {
    expect(readChatRequest(body)).toMatchObject({ ok: false, param });
  });
});
