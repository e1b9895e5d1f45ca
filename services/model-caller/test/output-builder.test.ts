import { foldItems, type ItemEvent, itemId } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { OutputBuilder } from '../src/output-builder.ts';

const STEP = '018f0000-0000-7000-8000-000000000001';
type Op = Parameters<OutputBuilder['apply']>[0];

const text = (content: string): Op => ({ type: 'text', text: content });
const reasoning = (content: string): Op => ({ type: 'reasoning', text: content });
const refusal = (content: string): Op => ({ type: 'refusal', text: content });
const call = (index: number, name: string, id: string | null = null): Op => ({ type: 'call', index, id, name });
const args = (index: number, content: string): Op => ({ type: 'arguments', index, text: content });

/** An event in one line: its name, the item's place, and what it says. */
function line(event: ItemEvent): string {
  const name = event.type.replace('response.', '');
  const at = event.output_index;
  if ('item' in event) return `${name} ${at} ${event.item.type} ${'status' in event.item ? event.item.status : ''}`;
  if ('delta' in event) return `${name} ${at} ${event.delta}`;
  if ('arguments' in event) return `${name} ${at} ${'name' in event ? event.name : ''} ${event.arguments}`;
  if ('part' in event) return `${name} ${at} ${'text' in event.part ? event.part.text : event.part.refusal}`;
  if ('annotation' in event) return `${name} ${at} ${event.annotation.url}`;
  if ('refusal' in event) return `${name} ${at} ${event.refusal}`;
  return `${name} ${at} ${'text' in event ? event.text : ''}`;
}

const foldOf = (events: ItemEvent[], firstIndex: number) =>
  foldItems(
    events.map((event, sequence_number) => ({ ...event, sequence_number })),
    firstIndex,
  );

/** A builder that goes on after these events. */
const successor = (events: ItemEvent[]) => new OutputBuilder(STEP, 0, foldOf(events, 0));

const applyAll = (builder: OutputBuilder, ops: Op[]) => ops.flatMap((op) => builder.apply(op)).flat();

describe('a run that nothing comes before', () => {
  test.each([
    [
      'text',
      [text('a'), text('b')],
      [
        'output_item.added 0 message in_progress',
        'content_part.added 0 ',
        'output_text.delta 0 a',
        'output_text.delta 0 b',
        'output_text.done 0 ab',
        'content_part.done 0 ab',
        'output_item.done 0 message completed',
      ],
    ],
    [
      'a refusal',
      [refusal('no')],
      [
        'output_item.added 0 message in_progress',
        'content_part.added 0 ',
        'refusal.delta 0 no',
        'refusal.done 0 no',
        'content_part.done 0 no',
        'output_item.done 0 message completed',
      ],
    ],
    [
      'thoughts, then text',
      [reasoning('hm'), text('a')],
      [
        'output_item.added 0 reasoning in_progress',
        'content_part.added 0 ',
        'reasoning.delta 0 hm',
        'reasoning.done 0 hm',
        'content_part.done 0 hm',
        'output_item.done 0 reasoning completed',
        'output_item.added 1 message in_progress',
        'content_part.added 1 ',
        'output_text.delta 1 a',
        'output_text.done 1 a',
        'content_part.done 1 a',
        'output_item.done 1 message completed',
      ],
    ],
    [
      'parallel calls whose arguments come interleaved',
      [call(0, 'f'), args(0, '{'), call(1, 'g'), args(1, '[]'), args(0, '}')],
      [
        'output_item.added 0 function_call in_progress',
        'function_call_arguments.delta 0 {',
        'output_item.added 1 function_call in_progress',
        'function_call_arguments.delta 1 []',
        'function_call_arguments.delta 0 }',
        'function_call_arguments.done 0 f {}',
        'output_item.done 0 function_call completed',
        'function_call_arguments.done 1 g []',
        'output_item.done 1 function_call completed',
      ],
    ],
    ['nothing', [], []],
    ['empty pieces', [text(''), reasoning(''), refusal('')], []],
  ] as [string, Op[], string[]][])('%s', (_what, ops, lines) => {
    const builder = new OutputBuilder(STEP, 0, []);
    const events = [...applyAll(builder, ops), ...builder.finish('completed').flat()];
    expect(events.map(line)).toEqual(lines);
    expect(builder.items().map(({ item }) => item)).toEqual(foldOf(events, 0));
  });

  test('an opening goes into one message with its first piece, and a closing into one', () => {
    const builder = new OutputBuilder(STEP, 0, []);
    expect(builder.apply(text('a')).map((group) => group.length)).toEqual([3]);
    expect(builder.apply(text('b')).map((group) => group.length)).toEqual([1]);
    expect(builder.apply(call(0, 'f')).map((group) => group.length)).toEqual([3, 1]);
    expect(builder.finish('completed').map((group) => group.length)).toEqual([2]);
  });

  test('ids are a function of the step and the position, and indexes begin where the step does', () => {
    const builder = new OutputBuilder(STEP, 7, []);
    const events = applyAll(builder, [reasoning('r'), text('a'), call(0, 'f', 'up')]);
    expect(builder.items().map(({ item }) => item.id)).toEqual([
      itemId('reasoning', STEP, 0),
      itemId('message', STEP, 1),
      itemId('function_call', STEP, 2),
    ]);
    expect(builder.items()[2]).toMatchObject({
      upstream_call_id: 'up',
      item: { call_id: itemId('call', STEP, 2), name: 'f', arguments: '' },
    });
    expect(foldOf(events, 7)).toEqual(builder.items().map(({ item }) => item));
  });

  test.each(['incomplete', 'aborted'] as const)('%s: what is open ends as incomplete, with what it has', (end) => {
    const builder = new OutputBuilder(STEP, 0, []);
    applyAll(builder, [text('whole'), call(0, 'f'), args(0, '{"a'), text('ha')]);
    const events = end === 'aborted' ? builder.abort() : builder.finish('incomplete');
    expect(events.flat().map(line)).toEqual([
      'function_call_arguments.done 1 f {"a',
      'output_item.done 1 function_call incomplete',
      'output_text.done 2 ha',
      'content_part.done 2 ha',
      'output_item.done 2 message incomplete',
    ]);
    expect(builder.items().map(({ item }) => item.status)).toEqual(['completed', 'incomplete', 'incomplete']);
  });

  test('arguments of a call that has not begun are a mistake of the caller', () => {
    expect(() => new OutputBuilder(STEP, 0, []).apply(args(0, '{}'))).toThrow('has not begun');
  });
});

describe('a run after one that died', () => {
  const before = applyAll(new OutputBuilder(STEP, 0, []), [reasoning('hm'), text('Hello wor')]);

  test('publishes nothing while it repeats, and goes on from there', () => {
    const builder = successor(before);
    expect(applyAll(builder, [reasoning('h'), reasoning('m'), text('Hello')])).toEqual([]);
    expect(applyAll(builder, [text(' world'), text('!')]).map(line)).toEqual([
      'output_text.delta 1 ld',
      'output_text.delta 1 !',
    ]);
    expect(builder.finish('completed').flat().map(line)).toEqual([
      'output_text.done 1 Hello world!',
      'content_part.done 1 Hello world!',
      'output_item.done 1 message completed',
    ]);
    expect(builder.items().some((item) => item.superseded)).toBe(false);
  });

  test('that says something else closes the open item, empty, and begins a new one', () => {
    const builder = successor(before);
    const events = applyAll(builder, [reasoning('hm'), text('Hello'), text(' there')]);
    expect(events.map(line)).toEqual([
      'output_item.done 1 message incomplete',
      'output_item.added 2 message in_progress',
      'content_part.added 2 ',
      'output_text.delta 2 Hello there',
    ]);
    expect(events[0]).toMatchObject({ item: { content: [] } });
    expect(builder.items().map((item) => item.superseded ?? false)).toEqual([false, true, false]);
  });

  test('that says less is told as what it is', () => {
    const builder = successor(before);
    applyAll(builder, [reasoning('hm'), text('Hell')]);
    expect(builder.finish('completed').flat().map(line)).toEqual([
      'output_item.done 1 message incomplete',
      'output_item.added 2 message in_progress',
      'content_part.added 2 ',
      'output_text.delta 2 Hell',
      'output_text.done 2 Hell',
      'content_part.done 2 Hell',
      'output_item.done 2 message completed',
    ]);
  });

  test('that ends earlier supersedes what it did not repeat', () => {
    const builder = successor(before);
    expect(applyAll(builder, [reasoning('hm')])).toEqual([]);
    expect(builder.finish('completed').flat().map(line)).toEqual(['output_item.done 1 message incomplete']);
    expect(builder.items().map((item) => item.superseded ?? false)).toEqual([false, true]);
  });

  test('that calls where there was text begins anew at that place', () => {
    const builder = successor(before);
    const events = applyAll(builder, [reasoning('hm'), call(0, 'f', 'up')]);
    expect(events.map(line)).toEqual([
      'output_item.done 1 message incomplete',
      'output_item.added 2 function_call in_progress',
    ]);
    expect(builder.items()[2]).toMatchObject({ upstream_call_id: 'up' });
  });

  test('another name is another call; the same call takes the new run’s upstream id', () => {
    const called = applyAll(new OutputBuilder(STEP, 0, []), [call(0, 'f', 'old'), args(0, '{"a":1}')]);
    const same = successor(called);
    expect(applyAll(same, [call(0, 'f', 'new'), args(0, '{"a"'), args(0, ':1}')])).toEqual([]);
    expect(same.items()).toMatchObject([{ upstream_call_id: 'new' }]);
    const other = successor(called);
    expect(applyAll(other, [call(0, 'g')]).map(line)).toEqual([
      'output_item.done 0 function_call incomplete',
      'output_item.added 1 function_call in_progress',
    ]);
  });

  test('a divergence in a call moves its later siblings, closed texts included', () => {
    const called = applyAll(new OutputBuilder(STEP, 0, []), [
      call(0, 'f'),
      text('t'),
      call(1, 'g'),
      args(1, '{}'),
      args(0, '1'),
    ]);
    const builder = successor(called);
    expect(applyAll(builder, [call(0, 'f'), text('t'), call(1, 'g'), args(1, '{')])).toEqual(
      // The text was closed before the second call in the first run, too.
      [],
    );
    expect(applyAll(builder, [args(0, '2')]).map(line)).toEqual([
      'output_item.done 0 function_call incomplete',
      'output_item.done 2 function_call incomplete',
      'output_item.added 3 function_call in_progress',
      'function_call_arguments.delta 3 2',
      'output_item.added 4 message in_progress',
      'content_part.added 4 ',
      'output_text.delta 4 t',
      'output_text.done 4 t',
      'content_part.done 4 t',
      'output_item.done 4 message completed',
      'output_item.added 5 function_call in_progress',
      'function_call_arguments.delta 5 {',
    ]);
    expect(builder.items().map((item) => item.superseded ?? false)).toEqual([true, true, true, false, false, false]);
  });

  test('an item that was cut with what it had, and is told otherwise now, keeps what clients have seen', () => {
    const first = new OutputBuilder(STEP, 0, []);
    const cut = [...applyAll(first, [text('Hel')]), ...first.finish('incomplete').flat()];
    const builder = successor(cut);
    const events = [...cut, ...applyAll(builder, [text('Hello')]), ...builder.finish('completed').flat()];
    expect(builder.items().map(({ item }) => item)).toEqual(foldOf(events, 0));
    expect(builder.items()).toMatchObject([
      { superseded: true, item: { content: [{ text: 'Hel' }] } },
      { item: { status: 'completed', content: [{ text: 'Hello' }] } },
    ]);
  });
});
