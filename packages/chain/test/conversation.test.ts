import type { InputItem } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { type ChatMessage, chatMessages, type Turn } from '../src/index.ts';
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
} from './chains.ts';

const user = (content: string): InputItem => ({ type: 'message', role: 'user', content });
const chatCall = (id: string, name = 'search') => ({ id, type: 'function', function: { name, arguments: '{"q":1}' } });

function turn(input: InputItem[], steps: Parameters<typeof chainOf>[0], number = 0): Turn {
  return { request: requestWith({ input }, { server: ['search'], client: ['mine'] }), chain: chainOf(steps, number) };
}

describe('chatMessages of the input', () => {
  const ROWS: [what: string, item: InputItem[], messages: ChatMessage[]][] = [
    ['a text of the user', [user('hi')], [{ role: 'user', content: 'hi' }]],
    [
      'system and developer are one role',
      [
        { type: 'message', role: 'system', content: 's' },
        { type: 'message', role: 'developer', content: 'd' },
      ],
      [
        { role: 'system', content: 's' },
        { role: 'system', content: 'd' },
      ],
    ],
    [
      'one text part is a plain text',
      [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a' }] }],
      [{ role: 'user', content: 'a' }],
    ],
    [
      'parts with an image',
      [
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'what is this' },
            { type: 'input_image', image_url: 'data:image/png;base64,AA', detail: 'low' },
            { type: 'input_image', image_url: 'https://example.org/i.png' },
          ],
        },
      ],
      [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'what is this' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AA', detail: 'low' } },
            { type: 'image_url', image_url: { url: 'https://example.org/i.png' } },
          ],
        },
      ],
    ],
    [
      'what the model said before',
      [
        {
          type: 'message',
          role: 'assistant',
          content: [
            { type: 'output_text', text: 'I can' },
            { type: 'refusal', refusal: 'not' },
          ],
        },
      ],
      [{ role: 'assistant', content: 'I cannot' }],
    ],
    [
      'calls side by side, and their outputs',
      [
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
        { type: 'function_call', call_id: 'b', name: 'g', arguments: '{}' },
        { type: 'function_call_output', call_id: 'a', output: '1' },
        { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: '2' }] },
      ],
      [
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } },
            { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'a', content: '1' },
        { role: 'tool', tool_call_id: 'b', content: '2' },
      ],
    ],
    [
      'text after a call joins the call, as nothing may stand between a call and its output',
      [
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
        { type: 'message', role: 'assistant', content: 'wait' },
        { type: 'function_call_output', call_id: 'a', output: '1' },
      ],
      [
        {
          role: 'assistant',
          content: 'wait',
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: '1' },
      ],
    ],
    ['reasoning is not told', [{ type: 'reasoning', summary: [] }, user('hi')], [{ role: 'user', content: 'hi' }]],
  ];

  test.each(ROWS)('%s', (_what, input, messages) => {
    expect(chatMessages([turn(input, [])])).toEqual(messages);
  });
});

describe('chatMessages of a chain', () => {
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

  test('instructions are those of the last turn alone, and come first', () => {
    const turns = ['first', 'second'].map(
      (instructions, number): Turn => ({
        request: requestWith({ instructions, input: [user(instructions)] }),
        chain: number === 0 ? chainOf([model([text('a')])]) : [],
      }),
    );
    expect(chatMessages(turns)).toEqual([
      { role: 'system', content: 'second' },
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'a' },
      { role: 'user', content: 'second' },
    ]);
    expect(chatMessages([...turns, turn([], [])])[0]).toEqual({ role: 'user', content: 'first' });
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
