import type { KeptItem } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { type PromptItem, promptItems, type Turn } from '../src/index.ts';
import {
  call,
  callId,
  canceledModel,
  chainOf,
  failedModel,
  model,
  modelIn,
  reasoning,
  refusal,
  stepId,
  superseded,
  TOOL_ERROR,
  text,
  tool,
} from './chains.ts';

const open = (encrypted: string): string => `opened ${encrypted}`;
const turn = (items: KeptItem[], steps: Parameters<typeof chainOf>[0] = [], number = 0): Turn => ({
  items,
  chain: chainOf(steps, number),
});
const told = (...turns: Turn[]): PromptItem[] => promptItems(turns, open);

const user = (content: string): PromptItem & KeptItem => ({ type: 'message', role: 'user', content });
const assistant = (content: string): PromptItem => ({ type: 'message', role: 'assistant', content });
const asked = (call_id: string, name = 'search'): PromptItem => ({
  type: 'function_call',
  call_id,
  name,
  arguments: '{"q":1}',
});
const answered = (call_id: string, output: string): PromptItem => ({ type: 'function_call_output', call_id, output });
const thought = (content: string): PromptItem => ({
  type: 'reasoning',
  summary: [],
  content: [content],
  encrypted_content: null,
});

describe('an item that was given', () => {
  const image = { type: 'input_image' as const, image_url: 'data:image/png;base64,AA', detail: 'low' as const };
  const file = { type: 'input_file' as const, filename: 'a.txt', file_data: 'AA', text: 'read' };
  type Row = [what: string, item: KeptItem, items: PromptItem[]];
  const ROWS: Row[] = [
    ['a text of the user', user('hi'), [user('hi')]],
    [
      'a message of a developer',
      { type: 'message', role: 'developer', content: 'd', id: 'msg_1', status: 'completed' },
      [{ type: 'message', role: 'developer', content: 'd' }],
    ],
    [
      'a message of the system',
      { type: 'message', role: 'system', content: 's', phase: null },
      [{ type: 'message', role: 'system', content: 's' }],
    ],
    [
      'a message of the model, with its phase',
      { type: 'message', role: 'assistant', content: 'hm', phase: 'commentary' },
      [{ type: 'message', role: 'assistant', content: 'hm', phase: 'commentary' }],
    ],
    [
      'parts, as they are',
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'look' }, image, file] },
      [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'look' }, image, file] }],
    ],
    [
      'a call',
      { type: 'function_call', id: 'fc_1', status: 'completed', call_id: 'c', name: 'f', arguments: '{}' },
      [{ type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' }],
    ],
    [
      'the output of a call',
      { type: 'function_call_output', id: 'fco_1', call_id: 'c', output: 'x' },
      [{ type: 'function_call_output', call_id: 'c', output: 'x' }],
    ],
    [
      'the output of a call, in parts',
      { type: 'function_call_output', call_id: 'c', output: [image, file] },
      [{ type: 'function_call_output', call_id: 'c', output: [image, file] }],
    ],
    [
      'reasoning',
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [{ type: 'summary_text', text: 's' }],
        content: [
          { type: 'reasoning_text', text: 'a' },
          { type: 'reasoning_text', text: 'b' },
        ],
        encrypted_content: 'e',
      },
      [{ type: 'reasoning', summary: ['s'], content: ['a', 'b'], encrypted_content: 'e' }],
    ],
    [
      'reasoning that says nothing',
      { type: 'reasoning', summary: [], content: null },
      [{ type: 'reasoning', summary: [], content: [], encrypted_content: null }],
    ],
    [
      'a compaction',
      { type: 'compaction', encrypted_content: 'e' },
      [user('Summary of the conversation so far:\n\nopened e')],
    ],
  ];

  test.each(ROWS)('%s', (_what, item, items) => {
    expect(told(turn([item]))).toStrictEqual(items);
  });
});

describe('what a chain made', () => {
  test('an answer is its reasoning, its text in one piece, then its calls', () => {
    const steps = [
      model([
        call('search', 'up_1'),
        text('One'),
        reasoning('hm'),
        text(' more'),
        refusal('!'),
        call('search', 'up_2'),
      ]),
      tool('search', callId(1, 0), { output: '1' }),
      tool('search', callId(1, 5), TOOL_ERROR),
      model([text('Done.')]),
    ];
    expect(told(turn([user('q')], steps))).toEqual([
      user('q'),
      thought('hm'),
      assistant('One more!'),
      asked('up_1'),
      asked('up_2'),
      answered('up_1', '1'),
      answered('up_2', JSON.stringify({ error: TOOL_ERROR })),
      assistant('Done.'),
    ]);
  });

  test('a call without an id of the upstream goes by its public one', () => {
    const steps = [model([call('search')]), tool('search', callId(1, 0), { output: 'x' })];
    expect(told(turn([], steps))).toEqual([asked(callId(1, 0)), answered(callId(1, 0), 'x')]);
  });

  test('the upstream’s id is put wherever the public one stands, also in what the client sends back', () => {
    const first = turn(
      [user('q')],
      [model([call('mine', 'up_c'), call('search', 'up_s')]), tool('search', callId(1, 1), { output: 's' })],
    );
    const second = turn(
      [
        { type: 'function_call_output', call_id: callId(1, 0), output: 'c' },
        { type: 'function_call', call_id: callId(1, 0), name: 'mine', arguments: '{}' },
        { type: 'function_call_output', call_id: 'theirs', output: 't' },
      ],
      [],
      1,
    );
    expect(told(first, second)).toEqual([
      user('q'),
      asked('up_c', 'mine'),
      asked('up_s'),
      answered('up_s', 's'),
      answered('up_c', 'c'),
      { type: 'function_call', call_id: 'up_c', name: 'mine', arguments: '{}' },
      answered('theirs', 't'),
    ]);
  });

  test('what a dead attempt left is not told', () => {
    const left = [superseded(reasoning('old')), superseded(text('old')), superseded(call('search', 'up_0'))];
    const steps = [
      model([...left, text('new'), call('search', 'up_1')]),
      tool('search', callId(1, 4), { output: 'x' }),
    ];
    expect(told(turn([], steps))).toEqual([assistant('new'), asked('up_1'), answered('up_1', 'x')]);
  });

  test('nothing that encrypts reasoning is lost', () => {
    const [step] = chainOf([model([reasoning('hm')])]);
    if (step?.kind !== 'model_call' || step.outcome.state !== 'completed') throw new Error('it is one model call');
    for (const { item } of step.outcome.result.items) {
      if (item.type === 'reasoning') {
        Object.assign(item, { encrypted_content: 'e', summary: [{ type: 'summary_text', text: 's' }] });
      }
    }
    expect(told({ items: [], chain: [step] })).toEqual([
      { type: 'reasoning', summary: ['s'], content: ['hm'], encrypted_content: 'e' },
    ]);
  });

  test.each([
    ['at the limit', model([text('so far', 'incomplete'), call('search', 'up', 'incomplete')], { finish: 'length' })],
    ['after a whole call', model([text('so far'), call('search', 'up')], { finish: 'content_filter' })],
  ])('an answer that was cut %s is told without the calls that nobody answered', (_what, step) => {
    expect(told(turn([], [step]), turn([user('go on')], [], 1))).toEqual([assistant('so far'), user('go on')]);
  });

  test.each([
    ['that failed', failedModel([text('half')])],
    ['that failed without a word', failedModel(null)],
    ['that was canceled', canceledModel([text('half', 'incomplete'), call('search', 'up')])],
    ['that was canceled without a word', modelIn('canceled')],
    ['that said nothing', model([])],
    ['that has not ended', modelIn('processing')],
  ])('a model call %s is not told', (_what, step) => {
    expect(told(turn([user('q')], [step]), turn([user('again')], [], 1))).toEqual([user('q'), user('again')]);
  });

  test('a tool that was canceled is told as such, as no call may stay without an output', () => {
    const steps = [model([call('search', 'up')]), tool('search', callId(1, 0), 'canceled')];
    expect(told(turn([], steps), turn([user('again')], [], 1))).toEqual([
      asked('up'),
      answered('up', JSON.stringify({ error: { code: 'response_cancelled', message: 'The response was cancelled.' } })),
      user('again'),
    ]);
  });

  test('what happened inside a tool is not told', () => {
    const outer = chainOf([model([call('search', 'up')]), tool('search', callId(1, 0), { output: 'x' })]);
    const inner = chainOf([model([text('inner')])], 1).map((step) => ({
      ...step,
      parentStepId: stepId(2),
      sequence: 3,
    }));
    expect(told({ items: [], chain: [...outer, ...inner] })).toEqual([asked('up'), answered('up', 'x')]);
  });

  test('turns are told one after the other', () => {
    const turns = [0, 1, 2].map((number) =>
      turn([user(`q${number}`)], [model([reasoning(`r${number}`), text(`a${number}`)])], number),
    );
    expect(told(...turns)).toEqual(
      [0, 1, 2].flatMap((number) => [user(`q${number}`), thought(`r${number}`), assistant(`a${number}`)]),
    );
    expect(told()).toEqual([]);
  });
});
