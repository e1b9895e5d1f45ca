import { prompt, type Turn } from '@tailrace/chain';
import type { KeptItem } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import {
  call,
  callId,
  chainOf,
  failedModel,
  model,
  modelIn,
  reasoning,
  refusal,
  requestWith,
  superseded,
  TOOL_ERROR,
  text,
  tool,
} from '../../../packages/chain/test/chains.ts';
import { type ChatMessage, chatRequest } from '../src/chat-request.ts';

const user = (content: string): KeptItem => ({ type: 'message', role: 'user', content });
const chatCall = (id: string, name = 'search') => ({ id, type: 'function', function: { name, arguments: '{"q":1}' } });

const turn = (items: KeptItem[], steps: Parameters<typeof chainOf>[0], number = 0): Turn => ({
  items,
  chain: chainOf(steps, number),
});

/** The messages of the next model call of the last turn. */
function chatMessages(turns: Turn[], instructions: string | null = null): ChatMessage[] {
  const current = turns.at(-1) ?? turn([], []);
  const request = requestWith({ instructions, input: [...current.items] }, { server: ['search'], client: ['mine'] });
  return chatRequest(prompt(request, current.chain, null, turns.slice(0, -1), (text) => text)).messages;
}

describe('the messages of a chain', () => {
  test('parallel calls are one assistant message, with the upstream’s own ids', () => {
    const chain = [
      model([reasoning('hm'), text('I look.'), call('search', 'up_1'), call('search', 'up_2')]),
      tool('search', callId(1, 2), { output: 'one' }),
      tool('search', callId(1, 3), TOOL_ERROR),
      model([text('Done.')]),
    ];
    expect(chatMessages([turn([user('q')], chain)])).toEqual([
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'I look.', tool_calls: [chatCall('up_1'), chatCall('up_2')] },
      { role: 'tool', tool_call_id: 'up_1', content: 'one' },
      { role: 'tool', tool_call_id: 'up_2', content: JSON.stringify({ error: TOOL_ERROR }) },
      { role: 'assistant', content: 'Done.' },
    ]);
  });

  test('one answer is one message, in whatever order its items came', () => {
    const chain = [
      model([
        call('search', 'up_1'),
        text('One'),
        reasoning('hm'),
        text(' more'),
        call('search', 'up_2'),
        refusal('!'),
      ]),
      tool('search', callId(1, 0), { output: '1' }),
      tool('search', callId(1, 4), { output: '2' }),
    ];
    expect(chatMessages([turn([], chain)]).map((message) => message.role)).toEqual(['assistant', 'tool', 'tool']);
    expect(chatMessages([turn([], chain)])[0]).toEqual({
      role: 'assistant',
      content: 'One more!',
      tool_calls: [chatCall('up_1'), chatCall('up_2')],
    });
  });

  test('a call without an id of the upstream goes by its public one', () => {
    const chain = [model([call('search')]), tool('search', callId(1, 0), { output: 'x' })];
    expect(chatMessages([turn([], chain)])).toEqual([
      { role: 'assistant', content: null, tool_calls: [chatCall(callId(1, 0))] },
      { role: 'tool', tool_call_id: callId(1, 0), content: 'x' },
    ]);
  });

  test('what a dead attempt left is not told', () => {
    const chain = [
      model([superseded(text('old')), superseded(call('search', 'up_0')), text('new'), call('search', 'up_1')]),
      tool('search', callId(1, 3), { output: 'x' }),
    ];
    expect(chatMessages([turn([], chain)])).toEqual([
      { role: 'assistant', content: 'new', tool_calls: [chatCall('up_1')] },
      { role: 'tool', tool_call_id: 'up_1', content: 'x' },
    ]);
  });

  test.each([
    [
      'cut at the limit',
      model([text('so far', 'incomplete'), call('search', 'up', 'incomplete')], { finish: 'length' }),
    ],
    ['cut after a whole call', model([text('so far'), call('search', 'up')], { finish: 'content_filter' })],
  ])('an answer %s is told without the calls that nobody answered', (_what, step) => {
    expect(chatMessages([turn([], [step]), turn([user('go on')], [], 1)])).toEqual([
      { role: 'assistant', content: 'so far' },
      { role: 'user', content: 'go on' },
    ]);
  });

  test.each([
    ['failed', failedModel([text('half')])],
    ['canceled', modelIn('canceled')],
    ['silent', model([])],
  ])('a %s model call is not told', (_what, step) => {
    expect(chatMessages([turn([user('q')], [step])])).toEqual([{ role: 'user', content: 'q' }]);
  });

  test('the client’s outputs continue a turn that mixed its calls with the server’s', () => {
    const first = turn(
      [user('q')],
      [model([call('mine', 'up_c'), call('search', 'up_s')]), tool('search', callId(1, 1), { output: 's' })],
    );
    const second = turn([{ type: 'function_call_output', call_id: callId(1, 0), output: 'c' }], [], 1);
    expect(chatMessages([first, second])).toEqual([
      { role: 'user', content: 'q' },
      { role: 'assistant', content: null, tool_calls: [chatCall('up_c', 'mine'), chatCall('up_s')] },
      { role: 'tool', tool_call_id: 'up_s', content: 's' },
      { role: 'tool', tool_call_id: 'up_c', content: 'c' },
    ]);
  });

  test('instructions come first', () => {
    const turns = [turn([user('first')], [model([text('a')])]), turn([user('second')], [], 1)];
    expect(chatMessages(turns, 'be short')).toEqual([
      { role: 'system', content: 'be short' },
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'a' },
      { role: 'user', content: 'second' },
    ]);
  });

  test('is pure: the same chain is told the same way again', () => {
    const turns = [
      turn([user('q')], [model([text('a'), call('search')]), tool('search', callId(1, 1), { output: 'x' })]),
    ];
    const before = structuredClone(turns);
    expect(chatMessages(turns)).toEqual(chatMessages(turns));
    expect(turns).toEqual(before);
  });
});
