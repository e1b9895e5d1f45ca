import { type PromptItem, prompt } from '@tailrace/chain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { requestWith } from '../../chain/test/chains.ts';
import { countTokens, promptTokens } from '../src/index.ts';

describe('countTokens', () => {
  test.each([
    ['', 0],
    ['hello world', 2],
    ['Der Zug fährt um 12:45 Uhr ab.', 11],
    ['你好，世界', 3],
    ['👩‍👩‍👧', 8],
  ])('%j has %i', (text, tokens) => {
    expect(countTokens(text)).toBe(tokens);
  });

  test('special tokens are text', () => {
    expect(countTokens('<|endoftext|>')).toBeGreaterThan(1);
  });

  test('a long text has as many as its parts', () => {
    const line = 'The quick brown fox jumps over the lazy dog.\n';
    const many = countTokens(line.repeat(2000));
    expect(many / 2000 / countTokens(line)).toBeCloseTo(1, 1);
  });

  test.each([
    ['letters', 'x'],
    ['spaces', ' '],
    ['rare signs', '齉龘'],
  ])('a run of %s without a break takes no more than any other text of its length', (_what, sign) => {
    const startedAt = performance.now();
    expect(countTokens(sign.repeat(100_000))).toBeGreaterThan(100);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  test('beyond a megabyte it is a quarter of the bytes', () => {
    expect(countTokens('a'.repeat(4 * 1024 * 1024))).toBe(1024 * 1024);
    expect(countTokens('€'.repeat(2 * 1024 * 1024))).toBe((3 * 2 * 1024 * 1024) / 4);
  });

  test('counts any text, broken surrogates too', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 1_000 }), (text) => {
        const tokens = countTokens(text);
        expect(Number.isInteger(tokens) && tokens >= Math.sign(text.length)).toBe(true);
      }),
    );
  });
});

describe('promptTokens', () => {
  const none = prompt(requestWith(), [], null, [], (text) => text);
  const of = (...items: PromptItem[]) => promptTokens({ ...none, items });

  test('nothing has none', () => {
    expect(promptTokens(none)).toBe(0);
  });

  test.each<[string, PromptItem, number]>([
    ['a message', { type: 'message', role: 'user', content: 'hello world' }, 4 + 2],
    [
      'parts',
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'hello world' },
          { type: 'input_image', image_url: 'https://example.org/i.png' },
          { type: 'input_file', filename: 'hello', file_data: 'x'.repeat(1_000), text: 'hello world' },
          { type: 'output_text', text: 'hello' },
          { type: 'refusal', refusal: 'hello' },
        ],
      },
      4 + 2 + 765 + 3 + 1 + 1,
    ],
    ['a call', { type: 'function_call', call_id: 'c', name: 'search', arguments: 'hello' }, 4 + 1 + 1],
    ['its output', { type: 'function_call_output', call_id: 'c', output: 'hello world' }, 4 + 2],
    ['reasoning', { type: 'reasoning', summary: ['a'], content: ['b'], encrypted_content: 'c' }, 0],
  ])('%s', (_what, item, tokens) => {
    expect(of(item)).toBe(tokens);
    expect(of(item, item)).toBe(2 * tokens);
  });

  test('instructions, tools and schemas count', () => {
    expect(promptTokens({ ...none, instructions: 'hello world' })).toBe(6);
    const tool = { name: 'f', description: null, parameters: { type: 'object' }, strict: null };
    expect(promptTokens({ ...none, tools: [tool] })).toBe(countTokens(JSON.stringify(tool)));
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    expect(promptTokens({ ...none, format: { type: 'json_schema', name: 'n', schema } })).toBe(
      countTokens(JSON.stringify(schema)),
    );
  });

  test('many large texts are bounded together', () => {
    const item: PromptItem = { type: 'message', role: 'user', content: 'x'.repeat(1024 * 1024) };
    expect(of(item, item, item)).toBe(of(item) + 2 * (4 + 256 * 1024));
  });
});
