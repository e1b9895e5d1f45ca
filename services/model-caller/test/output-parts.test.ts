import { type Annotation, foldItems, type LogProb, type UnnumberedEvent } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import type { OutputOp } from '../src/model-op.ts';
import { OutputBuilder } from '../src/output-builder.ts';

const STEP = '018f0000-0000-7000-8000-000000000001';

const text = (content: string, ...tokens: string[]): OutputOp =>
  tokens.length === 0
    ? { type: 'text', text: content }
    : { type: 'text', text: content, logprobs: tokens.map(logprob) };
const said = (type: 'reasoning' | 'summary' | 'refusal', content: string): OutputOp => ({ type, text: content });
const source = (url: string): Annotation => ({ type: 'url_citation', url, start_index: 0, end_index: 1, title: '' });
const cite = (url: string): OutputOp => ({ type: 'annotation', annotation: source(url) });
const part: OutputOp = { type: 'part' };
const item = (phase: 'commentary' | 'final_answer' | null = null): OutputOp => ({ type: 'item', phase });
const encrypted = (content: string): OutputOp => ({ type: 'encrypted', content });

function logprob(token: string): LogProb {
  return { token, logprob: -1, bytes: [...Buffer.from(token)], top_logprobs: [] };
}

const applyAll = (builder: OutputBuilder, ops: OutputOp[]) => ops.flatMap((op) => builder.apply(op)).flat();
const foldOf = (events: UnnumberedEvent[]) =>
  foldItems(
    events.map((event, sequence_number) => ({ ...event, sequence_number })),
    0,
  );

/** An event in one line: its name, and which part of which item it is of. */
function line(event: UnnumberedEvent): string {
  const at = 'output_index' in event ? event.output_index : '';
  const index = 'content_index' in event ? event.content_index : 'summary_index' in event ? event.summary_index : '';
  return `${event.type.replace('response.', '')} ${at} ${index}`.trim();
}

/** The events and the items of one undisturbed run. */
function run(...ops: OutputOp[]) {
  const builder = new OutputBuilder(STEP, 0, []);
  const events = [...applyAll(builder, ops), ...builder.finish('completed').flat()];
  const items = builder.items().map((each) => each.item);
  expect(foldOf(events)).toStrictEqual(items);
  return { events, items, lines: events.map(line) };
}

describe('reasoning', () => {
  test('has summaries in parts, each with its own index', () => {
    const { lines, items } = run(said('summary', 'a'), said('summary', 'b'), part, said('summary', 'c'));
    expect(lines).toEqual([
      'output_item.added 0',
      'reasoning_summary_part.added 0 0',
      'reasoning_summary_text.delta 0 0',
      'reasoning_summary_text.delta 0 0',
      'reasoning_summary_text.done 0 0',
      'reasoning_summary_part.done 0 0',
      'reasoning_summary_part.added 0 1',
      'reasoning_summary_text.delta 0 1',
      'reasoning_summary_text.done 0 1',
      'reasoning_summary_part.done 0 1',
      'output_item.done 0',
    ]);
    expect(items).toMatchObject([{ summary: [{ text: 'ab' }, { text: 'c' }], content: [] }]);
  });

  test('has content and summaries side by side, whichever comes first', () => {
    const { items } = run(said('reasoning', 'a'), said('summary', 's'), said('reasoning', 'b'));
    expect(items).toMatchObject([{ summary: [{ text: 's' }], content: [{ text: 'ab' }] }]);
  });

  test('shows its encrypted form when it has ended, and not before', () => {
    const { events, items } = run(said('reasoning', 'a'), encrypted('sealed'), text('b'));
    expect(items[0]).toMatchObject({ type: 'reasoning', encrypted_content: 'sealed' });
    const shown = events.filter((event) => 'item' in event && 'encrypted_content' in event.item);
    expect(shown.map((event) => event.type)).toEqual(['response.output_item.done']);
  });

  test('that only its maker can read is an item without parts', () => {
    const { lines, items } = run(encrypted('sealed'), text('a'));
    expect(lines.slice(0, 2)).toEqual(['output_item.added 0', 'output_item.done 0']);
    expect(items[0]).toMatchObject({ type: 'reasoning', summary: [], content: [], encrypted_content: 'sealed' });
  });

  test('of two items is not one', () => {
    const { items } = run(said('summary', 'a'), item(), said('summary', 'b'));
    expect(items).toMatchObject([{ summary: [{ text: 'a' }] }, { summary: [{ text: 'b' }] }]);
  });
});

describe('messages', () => {
  test('have a phase, and one ends where the next begins', () => {
    const { items } = run(item('commentary'), text('a'), item('final_answer'), text('b'), text('c'));
    expect(items).toMatchObject([
      { phase: 'commentary', content: [{ text: 'a' }] },
      { phase: 'final_answer', content: [{ text: 'bc' }] },
    ]);
    expect(run(text('a')).items[0]).not.toHaveProperty('phase');
  });

  test('hold texts and refusals in parts', () => {
    const { lines, items } = run(text('a'), part, text('b'), said('refusal', 'no'));
    expect(items).toMatchObject([{ content: [{ text: 'a' }, { text: 'b' }, { refusal: 'no' }] }]);
    expect(lines.filter((each) => each.startsWith('content_part'))).toEqual([
      'content_part.added 0 0',
      'content_part.done 0 0',
      'content_part.added 0 1',
      'content_part.done 0 1',
      'content_part.added 0 2',
      'content_part.done 0 2',
    ]);
  });

  test('a part that ends and the next that begins are in one log message', () => {
    const builder = new OutputBuilder(STEP, 0, []);
    applyAll(builder, [text('a'), part]);
    expect(builder.apply(text('b')).map((group) => group.map(line))).toEqual([
      ['output_text.done 0 0', 'content_part.done 0 0', 'content_part.added 0 1', 'output_text.delta 0 1'],
    ]);
  });

  test('carry sources in events of their own, and at the end', () => {
    const { events, items } = run(text('a'), cite('u'), text('b'), cite('v'));
    expect(events.filter((event) => 'annotation' in event)).toMatchObject([
      { annotation_index: 0, annotation: { url: 'u' } },
      { annotation_index: 1, annotation: { url: 'v' } },
    ]);
    const annotations = [source('u'), source('v')];
    expect(events.find((event) => event.type === 'response.content_part.done')).toMatchObject({
      part: { annotations },
    });
    expect(items).toMatchObject([{ content: [{ text: 'ab', annotations }] }]);
  });

  test('take sources that come before their text, and none that come after it', () => {
    expect(run(cite('u'), text('a')).items).toMatchObject([{ content: [{ annotations: [source('u')] }] }]);
    expect(run(text('a'), item(), cite('u')).items).toMatchObject([{ content: [{ annotations: [] }] }]);
  });

  test('carry probabilities with each delta and all of them at the end', () => {
    const { events, items } = run(text('ab', 'a', 'b'), text('c', 'c'));
    const all = ['a', 'b', 'c'].map(logprob);
    const logprobs = events.flatMap((event) => ('logprobs' in event ? [event.logprobs] : []));
    expect(logprobs).toEqual([all.slice(0, 2), all.slice(2), all]);
    expect(items).toMatchObject([{ content: [{ logprobs: all }] }]);
  });
});

describe('a run after one that died', () => {
  const before: OutputOp[] = [said('summary', 's'), part, said('summary', 't'), item('final_answer'), text('He', 'He')];
  const published = applyAll(new OutputBuilder(STEP, 0, []), [...before, cite('u')]);
  const successor = () => new OutputBuilder(STEP, 0, foldOf(published));

  test('repeats neither sources nor probabilities', () => {
    const builder = successor();
    expect(applyAll(builder, [...before, cite('u')])).toEqual([]);
    const events = [...applyAll(builder, [text('y', 'y'), cite('v')]), ...builder.finish('completed').flat()];
    expect(events.slice(0, 2)).toMatchObject([
      { delta: 'y', logprobs: [logprob('y')] },
      { annotation_index: 1, annotation: { url: 'v' } },
    ]);
    expect(builder.items().map((each) => each.item)).toStrictEqual(foldOf([...published, ...events]));
    expect(builder.items().at(-1)?.item).toMatchObject({
      content: [{ text: 'Hey', logprobs: [logprob('He'), logprob('y')], annotations: [source('u'), source('v')] }],
    });
  });

  test.each<[string, OutputOp[]]>([
    ['other sources', [...before, cite('v')]],
    ['fewer sources', before],
    ['another phase', [...before.slice(0, 3), item('commentary'), text('He'), cite('u')]],
  ])('with %s is told anew', (_what, ops) => {
    const builder = successor();
    const events = [...applyAll(builder, ops), ...builder.finish('completed').flat()];
    expect(builder.items().map((each) => each.superseded ?? false)).toEqual([false, true, false]);
    expect(builder.items().map((each) => each.item)).toStrictEqual(foldOf([...published, ...events]));
  });

  test('with other parts is told anew', () => {
    const builder = successor();
    applyAll(builder, [said('summary', 'st'), item('final_answer'), text('He'), cite('u')]);
    expect(builder.items().map((each) => each.superseded ?? false)).toEqual([true, true, false, false]);
  });
});
