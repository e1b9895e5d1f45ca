import { describe, expect, test } from 'vitest';
import { type Annotation, FoldError, foldEvents, type LogProb, type UnnumberedEvent } from '../src/index.ts';
import {
  added,
  call,
  created,
  delta,
  done,
  foldRun,
  inMessage,
  inThoughts,
  message,
  numbered,
  openPart,
  partDone,
  resource,
  textDone,
  textPart,
  thoughts,
} from './logs.ts';

const probability = (token: string): LogProb => ({ token, logprob: -0.5, bytes: [1], top_logprobs: [] });
const likely = (text: string, ...logprobs: LogProb[]): UnnumberedEvent => ({
  type: 'response.output_text.delta',
  ...inMessage,
  delta: text,
  logprobs,
});
const source = (url: string): Annotation => ({ type: 'url_citation', url, start_index: 0, end_index: 1, title: 't' });
const cited = (annotation_index: number, annotation: Annotation) =>
  ({ type: 'response.output_text.annotation.added', ...inMessage, annotation_index, annotation }) as const;

const summary = (summary_index: number) => ({ item_id: 'rs_1', output_index: 0, summary_index });
const summaryPart = (text: string) => ({ type: 'summary_text' as const, text });
const opened = (index = 0) =>
  ({ type: 'response.reasoning_summary_part.added', ...summary(index), part: summaryPart('') }) as const;
const summed = (text: string, index = 0): UnnumberedEvent => ({
  type: 'response.reasoning_summary_text.delta',
  ...summary(index),
  delta: text,
});
const summedUp = (text: string, index = 0): UnnumberedEvent => ({
  type: 'response.reasoning_summary_text.done',
  ...summary(index),
  text,
});
const closed = (text: string, index = 0): UnnumberedEvent => ({
  type: 'response.reasoning_summary_part.done',
  ...summary(index),
  part: summaryPart(text),
});
const thought: UnnumberedEvent = {
  type: 'response.content_part.added',
  ...inThoughts,
  part: { type: 'reasoning_text', text: '' },
};

describe('a summary of reasoning', () => {
  test('is built part by part, beside the reasoning itself', () => {
    const events = [
      added(thoughts),
      opened(),
      summed('I '),
      summed('think'),
      summedUp('I think'),
      closed('I think'),
      opened(1),
      thought,
      summed('so', 1),
    ];
    expect(foldRun(events)).toEqual([
      {
        ...thoughts,
        summary: [summaryPart('I think'), summaryPart('so')],
        content: [{ type: 'reasoning_text', text: '' }],
      },
    ]);
  });

  test.each<[string, UnnumberedEvent[]]>([
    ['leaves out a part', [added(thoughts), opened(1)]],
    ['adds a part where one is', [added(thoughts), opened(), opened()]],
    ['sums up a message', [added(message), { ...opened(), item_id: 'msg_1' }]],
    ['sums up a call', [added(call), { ...opened(), item_id: 'fc_1' }]],
    ['sums up what is not there', [opened()]],
    ['sums up another item than the one there', [added({ ...thoughts, id: 'rs_2' }), opened()]],
    ['sums up what has ended', [added(thoughts), opened(), done({ ...thoughts, status: 'completed' }), summed('a')]],
    ['extends a part that is not there', [added(thoughts), summed('a')]],
    ['ends the text of a part that is not there', [added(thoughts), opened(), summedUp('', 1)]],
    ['ends a part that is not there', [added(thoughts), closed('')]],
    ['says another text than its deltas', [added(thoughts), opened(), summed('a'), summedUp('b')]],
    ['takes a part of the reasoning for one of the summary', [added(thoughts), thought, summed('a')]],
  ])('a run is refused that %s', (_what, events) => {
    expect(() => foldRun(events)).toThrow(FoldError);
  });
});

describe('annotations', () => {
  test('stand in their order, where the text is', () => {
    const events = [added(message), openPart, delta('a'), cited(0, source('x')), delta('b'), cited(1, source('y'))];
    expect(foldRun(events)).toEqual([
      { ...message, content: [{ ...textPart('ab'), annotations: [source('x'), source('y')] }] },
    ]);
  });

  const refused: UnnumberedEvent = { ...openPart, part: { type: 'refusal', refusal: '' } };
  test.each<[string, UnnumberedEvent[]]>([
    ['leaves one out', [added(message), openPart, cited(1, source('x'))]],
    ['adds one where one is', [added(message), openPart, cited(0, source('x')), cited(0, source('y'))]],
    ['gives one to a refusal', [added(message), refused, cited(0, source('x'))]],
    ['gives one to a part that is not there', [added(message), cited(0, source('x'))]],
    ['gives one to reasoning', [added(thoughts), thought, { ...cited(0, source('x')), item_id: 'rs_1' }]],
  ])('a run is refused that %s', (_what, events) => {
    expect(() => foldRun(events)).toThrow(FoldError);
  });
});

describe('logprobs', () => {
  test('are those of all deltas', () => {
    const [a, b, c] = ['a', 'b', 'c'].map(probability);
    if (!a || !b || !c) throw new Error('there are three');
    const events = [added(message), openPart, likely('ab', a, b), delta('-'), likely('c', c), textDone('ab-c')];
    expect(foldRun(events)).toEqual([{ ...message, content: [{ ...textPart('ab-c'), logprobs: [a, b, c] }] }]);
  });
});

describe('the end of a text', () => {
  test('is of the kind that the part is', () => {
    const reasoned: UnnumberedEvent = { type: 'response.reasoning.done', ...inMessage, text: 'a' };
    expect(() => foldRun([added(message), openPart, delta('a'), reasoned])).toThrow(FoldError);
    expect(() => foldRun([added(thoughts), thought, { ...textDone(''), item_id: 'rs_1' }])).toThrow(FoldError);
    expect(() =>
      foldRun([added(thoughts), thought, { type: 'response.reasoning.done', ...inThoughts, text: 'b' }]),
    ).toThrow(FoldError);
  });
});

describe('an error', () => {
  const error: UnnumberedEvent = {
    type: 'error',
    error: { type: 'model_error', code: 'upstream_error', message: 'no', param: null },
  };
  const failed: UnnumberedEvent = { type: 'response.failed', response: resource({ status: 'failed' }) };

  test('is told before the end, and is not the end', () => {
    expect(foldEvents(numbered([created, error]))).toEqual(resource());
    expect(foldEvents(numbered([created, error, failed]))).toEqual(resource({ status: 'failed' }));
  });

  test('leaves what was built before it as it is', () => {
    const before = [created, added(message), openPart, delta('a'), partDone('a')];
    expect(foldEvents(numbered([...before, error]))).toEqual(foldEvents(numbered(before)));
  });

  test('is nothing to begin with, nothing after the end, and nothing that a step writes', () => {
    expect(() => foldEvents(numbered([error]))).toThrow(FoldError);
    expect(() => foldEvents(numbered([created, failed, error]))).toThrow(FoldError);
    expect(() => foldRun([added(message), error])).toThrow(FoldError);
  });
});
