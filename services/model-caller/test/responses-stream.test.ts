import { ApiError } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { ResponsesTranslator } from '../src/responses-stream.ts';
import { type ModelOp, usageOp } from './operations.ts';

function translateAll(events: unknown[]): ModelOp[] {
  const translator = new ResponsesTranslator();
  return events.flatMap((event) => translator.translate(event));
}

/** What the events say, without where one item ends and the next begins. */
const said = (...events: unknown[]) => translateAll(events).filter(({ type }) => type !== 'item');

const text = (delta: string, place: object = { output_index: 0, content_index: 0 }) => ({
  type: 'response.output_text.delta',
  ...place,
  delta,
});
const done = (item: object, output_index: number | undefined = 0) => ({
  type: 'response.output_item.done',
  output_index,
  item,
});
const ended = (response: object, type = 'response.completed') => ({ type, response });
const message = (...texts: string[]) => ({
  type: 'message',
  content: texts.map((each) => ({ type: 'output_text', text: each })),
});

describe('texts', () => {
  type Row = [what: string, events: unknown[], ops: ModelOp[]];
  const ROWS: Row[] = [
    [
      'deltas alone',
      [text('a'), text('b')],
      [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    ],
    [
      'without any place',
      [text('a', {}), text('b', {})],
      [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    ],
    [
      'what is told already is not told again',
      [
        text('a'),
        { ...text('', {}), type: 'response.output_text.done', output_index: 0, text: 'a' },
        done(message('a')),
      ],
      [{ type: 'text', text: 'a' }],
    ],
    [
      'what is missing at the end is told then',
      [text('a'), done(message('abc'))],
      [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'bc' },
      ],
    ],
    ['what ends otherwise stands as it was told', [text('a'), done(message('xyz'))], [{ type: 'text', text: 'a' }]],
    [
      'what comes after the end of an item does not count',
      [done(message('a')), text('b')],
      [{ type: 'text', text: 'a' }],
    ],
    [
      'probabilities of a whole part',
      [
        {
          type: 'response.output_text.done',
          output_index: 0,
          content_index: 0,
          text: 'a',
          logprobs: [{ token: 'a', logprob: -1, bytes: [97], top_logprobs: [] }],
        },
      ],
      [{ type: 'text', text: 'a', logprobs: [{ token: 'a', logprob: -1, bytes: [97], top_logprobs: [] }] }],
    ],
    [
      'summaries of both indexes',
      [
        { type: 'response.reasoning_summary_text.delta', output_index: 0, summary_index: 0, delta: 'a' },
        {
          type: 'response.reasoning_summary_part.done',
          output_index: 0,
          summary_index: 1,
          part: { type: 'summary_text', text: 'b' },
        },
      ],
      [{ type: 'summary', text: 'a' }, { type: 'part' }, { type: 'summary', text: 'b' }],
    ],
    [
      'reasoning under both names',
      [
        { type: 'response.reasoning_text.delta', output_index: 0, content_index: 0, delta: 'a' },
        { type: 'response.reasoning.delta', output_index: 0, content_index: 0, delta: 'b' },
        {
          type: 'response.content_part.done',
          output_index: 0,
          content_index: 0,
          part: { type: 'reasoning_text', text: 'abc' },
        },
      ],
      [
        { type: 'reasoning', text: 'a' },
        { type: 'reasoning', text: 'b' },
        { type: 'reasoning', text: 'c' },
      ],
    ],
    [
      'events that nobody knows',
      [{ type: 'response.audio.delta', delta: 5 }, { type: 'constructor' }, { type: 'keepalive' }, {}],
      [],
    ],
  ];
  test.each(ROWS)('%s', (_what, events, ops) => {
    expect(said(...events)).toEqual(ops);
  });

  test('of two items that take turns are told apart', () => {
    expect(
      translateAll([text('a', { output_index: 0 }), text('b', { output_index: 1 }), text('c', { output_index: 0 })]),
    ).toEqual([
      { type: 'item', phase: null },
      { type: 'text', text: 'a' },
      { type: 'item', phase: null },
      { type: 'text', text: 'b' },
      { type: 'item', phase: null },
      { type: 'text', text: 'c' },
    ]);
  });
});

describe('calls', () => {
  const args = (fields: object, end: 'delta' | 'done' = 'delta') => ({
    type: `response.function_call_arguments.${end}`,
    ...fields,
  });
  const added = (fields: object, output_index?: number) => ({
    type: 'response.output_item.added',
    output_index,
    item: { type: 'function_call', ...fields },
  });

  test('by their ids, where there are no indexes', () => {
    const events = [
      added({ id: 'a', call_id: 'up_a', name: 'f' }),
      added({ id: 'b', call_id: 'up_b', name: 'g' }),
      args({ item_id: 'b', delta: '2' }),
      args({ item_id: 'a', delta: '1' }),
    ];
    expect(said(...events)).toEqual([
      { type: 'call', index: 0, id: 'up_a', name: 'f' },
      { type: 'call', index: 1, id: 'up_b', name: 'g' },
      { type: 'arguments', index: 1, text: '2' },
      { type: 'arguments', index: 0, text: '1' },
    ]);
  });

  test('by their indexes, where each event has another id', () => {
    const events = [
      added({ id: 'a', call_id: 'up', name: 'f' }, 0),
      args({ output_index: 0, item_id: 'b', delta: '1' }),
      args({ output_index: 0, item_id: 'c', arguments: '12' }, 'done'),
      done({ type: 'function_call', id: 'd', call_id: 'up', name: 'f', arguments: '123' }),
    ];
    expect(said(...events)).toEqual([
      { type: 'call', index: 0, id: 'up', name: 'f' },
      { type: 'arguments', index: 0, text: '1' },
      { type: 'arguments', index: 0, text: '2' },
      { type: 'arguments', index: 0, text: '3' },
    ]);
  });

  test('whose name comes late: what came before it is held back', () => {
    const events = [
      args({ output_index: 0, delta: '1' }),
      args({ output_index: 0, name: 'f', arguments: '12' }, 'done'),
    ];
    expect(said(...events)).toEqual([
      { type: 'call', index: 0, id: null, name: 'f' },
      { type: 'arguments', index: 0, text: '1' },
      { type: 'arguments', index: 0, text: '2' },
    ]);
  });

  test('that nobody names are no calls', () => {
    expect(() => translateAll([args({ output_index: 0, delta: '1' }), ended({})])).toThrow(ApiError);
  });

  test('with arguments as an object', () => {
    expect(said(done({ type: 'function_call', name: 'f', arguments: { a: 1 } }))).toEqual([
      { type: 'call', index: 0, id: null, name: 'f' },
      { type: 'arguments', index: 0, text: '{"a":1}' },
    ]);
  });
});

describe('the end', () => {
  test.each([
    ['completed', ended({ status: 'completed' }), 'stop'],
    ['completed without a status', ended({}), 'stop'],
    ['at the limit', ended({ incomplete_details: { reason: 'max_output_tokens' } }, 'response.incomplete'), 'length'],
    [
      'filtered',
      ended({ status: 'incomplete', incomplete_details: { reason: 'content_filter' } }, 'response.incomplete'),
      'content_filter',
    ],
    ['for a reason that nobody knows', ended({ incomplete_details: null }, 'response.incomplete'), 'length'],
  ])('%s', (_what, event, reason) => {
    expect(translateAll([event])).toEqual([{ type: 'finish', reason }]);
  });

  test('tells usage, and what kind of service it was', () => {
    const usage = { input_tokens: 3, output_tokens: 4, input_tokens_details: null };
    expect(translateAll([ended({ usage, service_tier: 'priority' })])).toEqual([
      { type: 'finish', reason: 'stop' },
      usageOp(3, 4),
      { type: 'service_tier', tier: 'priority' },
    ]);
  });

  test('a response that is not streamed is all of it', () => {
    const response = { object: 'response', status: 'completed', error: null, output: [message('a')], usage: null };
    expect(said(response)).toEqual([
      { type: 'text', text: 'a' },
      { type: 'finish', reason: 'stop' },
    ]);
  });
});
