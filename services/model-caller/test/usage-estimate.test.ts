import { type PromptItem, prompt, type RecordedItem } from '@tailrace/chain';
import { expect, test } from 'vitest';
import { call, reasoning, refusal, requestWith, superseded, text } from '../../../packages/chain/test/chains.ts';
import { toUsage } from '../src/usage.ts';
import { estimateUsage } from '../src/usage-estimate.ts';

const STEP = '018f0000-0000-7000-8000-000000000001';
const none = prompt(requestWith(), [], null, [], (each) => each);
const itemsOf = (...makes: ReturnType<typeof text>[]): RecordedItem[] => makes.map((make, index) => make(STEP, index));

test('what was sent, what was said, and how much of it were thoughts', () => {
  const item: PromptItem = { type: 'message', role: 'user', content: 'hello world' };
  const items = itemsOf(reasoning('hello'), text('hello world'), refusal('hello'));
  expect(estimateUsage({ ...none, items: [item] }, items)).toEqual(toUsage({ input: 6, output: 4, reasoning: 1 }));
});

test('calls count with their names and arguments', () => {
  expect(estimateUsage(none, itemsOf(call('search'))).output_tokens).toBeGreaterThan(4);
});

test('what a dead attempt left does not count', () => {
  expect(estimateUsage(none, itemsOf(superseded(text('hello world')), text('hello')))).toEqual(toUsage({ output: 1 }));
});
