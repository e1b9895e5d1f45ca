import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitPrompt, type Prompt, type PromptItem, prompt } from '../src/index.ts';
import { requestWith } from './chains.ts';

const message = (role: 'user' | 'assistant' | 'system' | 'developer', content: string): PromptItem => ({
  type: 'message',
  role,
  content,
});
const asks = (call_id: string): PromptItem => ({ type: 'function_call', call_id, name: 'f', arguments: '{}' });
const answers = (call_id: string): PromptItem => ({ type: 'function_call_output', call_id, output: 'x' });
const promptOf = (items: PromptItem[]): Prompt => ({ ...prompt(requestWith(), [], null, [], String), items });

/** Ten tokens for each item, and seven for whatever else a prompt has. */
const count = ({ items }: Prompt): number => 7 + 10 * items.length;

const CONVERSATION = [
  message('system', 's'),
  message('user', '1'),
  asks('a'),
  answers('a'),
  message('assistant', 'one'),
  message('user', '2'),
  message('developer', 'd'),
  message('assistant', 'two'),
  message('user', '3'),
  asks('b'),
  answers('b'),
];

describe('fitPrompt', () => {
  const at = (...indexes: number[]) => indexes.map((index) => CONVERSATION[index]);
  test.each([
    ['all of it fits', 117, CONVERSATION],
    ['the first turn goes', 116, at(0, 5, 6, 7, 8, 9, 10)],
    ['the first turn is enough', 77, at(0, 5, 6, 7, 8, 9, 10)],
    ['the second goes too, without the developer’s message', 76, at(0, 6, 8, 9, 10)],
    ['the last one stays, even if it does not fit', 1, at(0, 6, 8, 9, 10)],
  ])('%s', (_what, limit, items) => {
    expect(fitPrompt(promptOf(CONVERSATION), limit, count)).toEqual(promptOf(items.flatMap((item) => item ?? [])));
  });

  test('of nothing is nothing', () => {
    expect(fitPrompt(promptOf([]), 0, count)).toEqual(promptOf([]));
  });

  const item = fc.oneof(
    fc.constantFrom('user' as const, 'assistant' as const, 'system' as const).map((role) => [message(role, 'm')]),
    fc.uuid().map((id) => [asks(id), answers(id)]),
  );
  test('never parts a call from its output, never drops a standing message, and leaves alone what fits', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 12 }), fc.nat(200), (groups, limit) => {
        const whole = promptOf(groups.flat());
        const { items } = fitPrompt(whole, limit, count);
        const ids = (type: PromptItem['type']) =>
          items.flatMap((each) => (each.type === type && 'call_id' in each ? [each.call_id] : []));
        expect(ids('function_call')).toEqual(ids('function_call_output'));
        const standing = (list: readonly PromptItem[]) =>
          list.filter((each) => each.type === 'message' && each.role === 'system').length;
        expect(standing(items)).toBe(standing(whole.items));
        if (count(whole) <= limit) expect(items).toEqual(whole.items);
        const last = whole.items.findLastIndex((each) => each.type === 'message' && each.role === 'user');
        expect(items.slice(items.length - (whole.items.length - Math.max(0, last)))).toEqual(
          whole.items.slice(Math.max(0, last)),
        );
      }),
    );
  });
});
