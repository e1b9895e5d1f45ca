import { foldItems, type ModelItem, type UnnumberedEvent } from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { closeItem, wholeItemEvents } from '../src/index.ts';
import { answers, resultOfPlan } from './answers.ts';
import { chainOf, modelIn } from './chains.ts';

const fold = (events: readonly UnnumberedEvent[], index: number) =>
  foldItems(
    events.map((event, sequence_number) => ({ ...event, sequence_number })),
    index,
  );

const items: fc.Arbitrary<ModelItem> = answers.map((answer) => {
  const [step] = chainOf([modelIn('processing')]);
  if (!step) throw new Error('the chain is one model call');
  return resultOfPlan(answer, step, []).items[0]?.item ?? { ...EMPTY };
});
const EMPTY: ModelItem = { type: 'message', id: 'msg_1', status: 'completed', role: 'assistant', content: [] };

describe('an item that was broken off', () => {
  test('ends with what it has, wherever it was cut', () => {
    fc.assert(
      fc.property(items, fc.nat(5), fc.nat(), (item, index, cut) => {
        const whole = wholeItemEvents(item, index);
        const shown = whole.slice(0, 1 + (cut % (whole.length - 1)));
        const [open] = fold(shown, index);
        if (!open) throw new Error('the model’s item is there');
        const closed = closeItem(open, index, shown);
        expect(closed.item).toEqual({ ...open, status: 'incomplete' });
        expect(fold([...shown, ...closed.events], index)).toEqual([closed.item]);
      }),
    );
  });

  test('is ended by the events that its end would have had, and none of them comes twice', () => {
    fc.assert(
      fc.property(items, fc.nat(5), fc.nat(), (item, index, cut) => {
        const whole = wholeItemEvents(item, index);
        const shown = whole.slice(0, 1 + (cut % (whole.length - 1)));
        const [open] = fold(shown, index);
        if (!open) throw new Error('the model’s item is there');
        const types = (events: readonly UnnumberedEvent[]) => events.map((event) => event.type);
        const log = types([...shown, ...closeItem(open, index, shown).events]);
        const count = (type: string) => log.filter((each) => each === type).length;
        expect(log.at(-1)).toBe('response.output_item.done');
        expect(count('response.output_item.done')).toBe(1);
        expect(count('response.content_part.done')).toBe(count('response.content_part.added'));
        expect(count('response.reasoning_summary_part.done')).toBe(count('response.reasoning_summary_part.added'));
        expect(count('response.function_call_arguments.done')).toBe(item.type === 'function_call' ? 1 : 0);
      }),
    );
  });

  test('does not take the end of another item for its own', () => {
    const first = wholeItemEvents({ ...EMPTY, id: 'msg_0' }, 0);
    const open: ModelItem = { ...EMPTY, status: 'in_progress' };
    expect(closeItem(open, 1, first).events).toEqual([
      { type: 'response.output_item.done', output_index: 1, item: { ...EMPTY, status: 'incomplete' } },
    ]);
  });
});
