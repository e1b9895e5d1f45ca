import type { KeptItem } from '@tailrace/protocol';
import { expect, test } from 'vitest';
import { type PromptItem, prompt } from '../src/index.ts';
import { call, callId, chainOf, model, requestWith, tool } from './chains.ts';

const user = (content: string): KeptItem => ({ type: 'message', role: 'user', content });
const asks = (call_id: string): KeptItem => ({ type: 'function_call', call_id, name: 'ask', arguments: '{}' });
const answers = (call_id: string): KeptItem => ({ type: 'function_call_output', call_id, output: 'x' });

function told(input: KeptItem[], purpose?: 'compaction'): string[] {
  const request = { ...requestWith({ input }), ...(purpose ? { purpose } : {}) };
  return prompt(request, [], null, [], String).items.map(shown);
}

function shown(item: PromptItem): string {
  switch (item.type) {
    case 'message':
      return `${item.role}: ${String(item.content)}`;
    case 'function_call':
      return `call ${item.call_id}`;
    case 'function_call_output':
      return item.output === 'x' ? `output ${item.call_id}` : `no output ${item.call_id}`;
    case 'reasoning':
      return 'reasoning';
  }
}

test('calls that are open when a conversation is summed up have an output, right after the calls of their turn', () => {
  const items = [user('a'), asks('1'), asks('2'), answers('1'), user('b'), asks('3'), user('sum up')];
  expect(told(items, 'compaction')).toEqual([
    'user: a',
    'call 1',
    'call 2',
    'output 1',
    'no output 2',
    'user: b',
    'call 3',
    'no output 3',
    'user: sum up',
  ]);
  expect(told(items)).not.toContainEqual(expect.stringContaining('no output'));
});

test('calls at the very end too', () => {
  expect(told([user('a'), asks('1')], 'compaction')).toEqual(['user: a', 'call 1', 'no output 1']);
});

test('of a response that goes before, the calls of the client’s own functions', () => {
  const steps = [model([call('search'), call('own')]), tool('search', callId(1, 0), { output: 'x' })];
  const request = { ...requestWith({ input: [user('sum up')] }), purpose: 'compaction' as const };
  const items = prompt(request, [], null, [{ items: [user('a')], chain: chainOf(steps) }], String).items.map(shown);
  expect(items.at(0)).toBe('user: a');
  expect(items.filter((item) => item.startsWith('output'))).toHaveLength(1);
  expect(items.filter((item) => item.startsWith('no output'))).toHaveLength(1);
  expect(items.at(-1)).toBe('user: sum up');
});
