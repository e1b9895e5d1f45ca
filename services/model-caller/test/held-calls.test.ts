import { foldItems, type ItemEvent } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { OutputBuilder } from '../src/output-builder.ts';
import { decodeSeal, encodeSeal, resultOf, type StepEnd } from '../src/seal.ts';

const STEP = '018f0000-0000-7000-8000-000000000001';
type Op = Parameters<OutputBuilder['apply']>[0];

const text = (content: string): Op => ({ type: 'text', text: content });
const call = (index: number, name: string, id: string | null = null): Op => ({ type: 'call', index, id, name });
const args = (index: number, content: string): Op => ({ type: 'arguments', index, text: content });

const builder = (published: ItemEvent[] = []) => new OutputBuilder(STEP, 0, foldOf(published), ['search', 'fetch']);
const applyAll = (to: OutputBuilder, ops: Op[]) => ops.flatMap((op) => to.apply(op)).flat();
const foldOf = (events: ItemEvent[]) =>
  foldItems(
    events.map((event, sequence_number) => ({ ...event, sequence_number })),
    0,
  );
/** What the items of a builder are, in one word each. */
const names = (of: OutputBuilder) =>
  of.items().map(({ item }) => (item.type === 'function_call' ? item.name : item.type));

const MIXED = [
  call(0, 'search', 'up-0'),
  text('let me see'),
  call(1, 'fetch', 'up-1'),
  args(1, '{"a":'),
  call(2, 'get_weather', 'up-2'),
  args(0, '{}'),
  args(1, '1}'),
  args(2, '{"b":2}'),
];

describe('calls that are held back', () => {
  test('are items where the model has made them, and no events', () => {
    const held = builder();
    const events = [...applyAll(held, MIXED), ...held.finish('completed').flat()];
    expect(names(held)).toEqual(['search', 'message', 'fetch', 'get_weather']);
    expect(foldOf(events).map(({ type }) => type)).toEqual(['message', 'function_call']);
    expect(events.every((event) => !JSON.stringify(event).includes('fetch'))).toBe(true);
    expect(held.items()).toMatchObject([
      { held_back: true, upstream_call_id: 'up-0', item: { status: 'completed', arguments: '{}' } },
      { item: { status: 'completed' } },
      { held_back: true, upstream_call_id: 'up-1', item: { status: 'completed', arguments: '{"a":1}' } },
      { upstream_call_id: 'up-2', item: { arguments: '{"b":2}' } },
    ]);
    const ids = held.items().map(({ item }) => item.id);
    expect(new Set(ids).size).toBe(4);
  });

  test('end the text before them, as any call does', () => {
    const held = builder();
    const events = applyAll(held, [text('a'), call(0, 'search'), text('b')]);
    expect(foldOf(events)).toMatchObject([
      { type: 'message', status: 'completed', content: [{ text: 'a' }] },
      { type: 'message', status: 'in_progress', content: [{ text: 'b' }] },
    ]);
  });

  test('of a run that was broken off are forgotten: the next run makes its own, with the same ids', () => {
    const held = builder();
    applyAll(held, MIXED.slice(0, 4));
    const before = held.items().flatMap(({ item, held_back }) => (held_back ? [item.id] : []));
    held.restart();
    const events = [...applyAll(held, MIXED), ...held.finish('completed').flat()];
    expect(names(held)).toEqual(['search', 'message', 'fetch', 'get_weather']);
    expect(held.items().flatMap(({ item, held_back }) => (held_back ? [item.id] : []))).toEqual(before);
    expect(events.length).toBeGreaterThan(0);
  });

  test('do not disturb an attempt that takes over: it repeats what clients have seen', () => {
    const first = builder();
    const seen = applyAll(first, MIXED.slice(0, 5));
    const next = builder(seen);
    const events = [...applyAll(next, MIXED), ...next.finish('completed').flat()];
    expect(events.map(({ type }) => type)).toEqual([
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
    ]);
    expect(names(next)).toEqual(['search', 'message', 'fetch', 'get_weather']);
  });

  test('of an answer that was cut are incomplete', () => {
    const cut = builder();
    applyAll(cut, MIXED);
    cut.finish('incomplete');
    expect(cut.items().map(({ item }) => item.status)).toEqual(['incomplete', 'completed', 'incomplete', 'incomplete']);
    const failed = builder();
    applyAll(failed, MIXED.slice(0, 1));
    failed.abort();
    expect(failed.items()).toMatchObject([{ item: { status: 'incomplete' } }]);
  });
});

describe('a seal', () => {
  const end: StepEnd = { finish: 'stop', usage: null, serviceTier: 'flex', error: null };

  test.each([
    ['of a step that clients see has the calls that they do not', false],
    ['of a hidden step has everything', true],
  ])('%s', (_, hidden) => {
    const held = builder();
    const events = [...applyAll(held, MIXED), ...held.finish('completed').flat()];
    const sealed = encodeSeal(end, held.items(), { hidden });
    expect(decodeSeal(sealed, hidden ? [] : foldOf(events))).toEqual({ end, result: resultOf(end, held.items()) });
    expect(sealed.includes('let me see')).toBe(hidden);
  });
});
