import { itemId, type KeptItem } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { itemsOfTurns, turnItems } from '../src/index.ts';
import {
  call,
  callId,
  canceledModel,
  chainOf,
  failedModel,
  model,
  reasoning,
  recordOf,
  requestWith,
  stepId,
  superseded,
  text,
  tool,
} from './chains.ts';

const user = (content: string): KeptItem => ({ type: 'message', role: 'user', content });
const record = recordOf(requestWith({ input: [user('q'), { ...user('r'), id: 'mine' }] }));

describe('what a response adds to its conversation', () => {
  test('is its input and its output, each with its id', () => {
    const chain = chainOf([
      model([reasoning('hm'), text('a'), call('search')]),
      tool('search', callId(1, 2), { output: 'x' }),
      model([text('b')]),
    ]);
    expect(turnItems(record, chain).map((item) => [item.type, item.id])).toEqual([
      ['message', itemId('message', record.id, 0)],
      ['message', 'mine'],
      ['reasoning', itemId('reasoning', stepId(1), 0)],
      ['message', itemId('message', stepId(1), 1)],
      ['function_call', itemId('function_call', stepId(1), 2)],
      ['function_call_output', itemId('function_call_output', stepId(2), 0)],
      ['message', itemId('message', stepId(3), 0)],
    ]);
  });

  test.each([
    ['superseded', [model([superseded(text('old')), superseded(call('search'))])], 0],
    ['failed', [failedModel([text('half')])], 0],
    ['canceled', [canceledModel([text('half', 'incomplete')])], 0],
    ['cut off before its call was whole', [model([text('so'), call('search', 'u', 'incomplete')])], 1],
    ['cut off after its call', [model([text('so'), call('search')], { finish: 'length' as const })], 1],
  ])('is nothing that was %s', (_what, steps, left) => {
    expect(
      turnItems(record, chainOf(steps))
        .slice(2)
        .map((item) => item.type),
    ).toEqual(Array(left).fill('message'));
  });

  test('is the same as the turns before it tell, each after the other', () => {
    const first = chainOf([model([text('a')])]);
    const second = chainOf([model([text('b')])], 1);
    const turns = [
      { items: [user('1')], chain: first },
      { items: [user('2')], chain: second },
    ];
    expect(itemsOfTurns(turns)).toEqual([
      user('1'),
      ...turnItems(record, first).slice(2),
      user('2'),
      ...turnItems(record, second).slice(2),
    ]);
    expect(itemsOfTurns([])).toEqual([]);
  });
});
