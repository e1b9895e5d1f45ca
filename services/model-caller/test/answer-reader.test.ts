import { type Prompt, prompt } from '@tailrace/chain';
import { describe, expect, test } from 'vitest';
import { requestWith } from '../../../packages/chain/test/chains.ts';
import { AnswerReader } from '../src/answer-reader.ts';
import { DIALECTS } from '../src/dialect.ts';
import { UpstreamFailure } from '../src/upstream-failure.ts';
import type { ModelOp } from './operations.ts';

const none = prompt(requestWith(), [], null, [], (text) => text);

/** What a request gets to see of the chunks of an answer. */
function read(asked: Partial<Prompt>, chunks: unknown[], dialect: keyof typeof DIALECTS = 'chat'): ModelOp[] {
  const reader = new AnswerReader(DIALECTS[dialect], { ...none, ...asked }, (text) => `sealed ${text}`);
  return [...chunks.flatMap((chunk) => reader.read(chunk)), ...reader.end()];
}

const delta = (fields: object) => ({ choices: [{ delta: fields }] });
const calls = (...names: string[]) =>
  delta({ tool_calls: names.map((name, index) => ({ index, id: name, function: { name, arguments: '{}' } })) });
const begun = (index: number, name: string): ModelOp => ({ type: 'call', index, id: name, name });
const args = (index: number, text = '{}'): ModelOp => ({ type: 'arguments', index, text });

describe('calls', () => {
  const later = delta({
    tool_calls: [
      { index: 0, function: { arguments: 'x' } },
      { index: 1, function: { arguments: 'y' } },
    ],
  });

  test('all stand unless the request says otherwise', () => {
    expect(read({}, [calls('f', 'g')])).toEqual([begun(0, 'f'), args(0), begun(1, 'g'), args(1)]);
    expect(read({ parallel_tool_calls: true }, [calls('f', 'g')])).toHaveLength(4);
  });

  test('of tools that may not be called are not told, nor are their arguments', () => {
    expect(read({ permitted: ['g'] }, [calls('f', 'g'), later])).toEqual([begun(1, 'g'), args(1), args(1, 'y')]);
    expect(read({ permitted: [] }, [calls('f', 'g'), later])).toEqual([]);
  });

  test('after the first are not told where there may be one only', () => {
    const one = { parallel_tool_calls: false };
    expect(read(one, [calls('f', 'g'), later])).toEqual([begun(0, 'f'), args(0), args(0, 'x')]);
    expect(read({ ...one, permitted: ['g', 'h'] }, [calls('f', 'g', 'h')])).toEqual([begun(1, 'g'), args(1)]);
  });
});

describe('reasoning', () => {
  const thoughts = [delta({ reasoning: 'a' }), delta({ reasoning: 'b' }), delta({ content: 'c' })];
  const [a, b, c] = ['a', 'b', 'c'] as const;
  const text: ModelOp = { type: 'text', text: c };

  test('is told as it is', () => {
    expect(read({}, thoughts)).toEqual([{ type: 'reasoning', text: a }, { type: 'reasoning', text: b }, text]);
  });

  test('is told as a summary where one is asked for', () => {
    expect(read({ summary: 'auto' }, thoughts)).toEqual([
      { type: 'summary', text: a },
      { type: 'summary', text: b },
      text,
    ]);
  });

  test('is sealed where its end is, if the client wants to carry it', () => {
    const sealed: ModelOp = { type: 'encrypted', content: 'sealed ab' };
    expect(read({ encrypted_reasoning: true }, thoughts)).toEqual([
      { type: 'reasoning', text: a },
      { type: 'reasoning', text: b },
      sealed,
      text,
    ]);
    expect(read({ encrypted_reasoning: true }, thoughts.slice(0, 2)).at(-1)).toEqual(sealed);
    expect(read({ encrypted_reasoning: true }, [delta({ content: 'c' })])).toEqual([text]);
  });

  test('that the upstream has encrypted goes out as that, and only if it is asked for', () => {
    const chunks = [delta({ reasoning: 'a', reasoning_details: [{ type: 'reasoning.encrypted', data: 'x' }] })];
    expect(read({ encrypted_reasoning: true }, chunks)).toEqual([
      { type: 'reasoning', text: a },
      { type: 'encrypted', content: 'x' },
    ]);
    expect(read({}, chunks)).toEqual([{ type: 'reasoning', text: a }]);
  });

  test('of an upstream that summarises and encrypts itself is left as it is', () => {
    const event = { type: 'response.reasoning_text.delta', output_index: 0, delta: 'a' };
    expect(read({ summary: 'auto', encrypted_reasoning: true }, [event], 'responses')).toEqual([
      { type: 'item', phase: null },
      { type: 'reasoning', text: a },
    ]);
  });
});

test('probabilities are told to those who have asked', () => {
  const logprobs = [{ token: 'a', logprob: -1, bytes: [97], top_logprobs: [] }];
  const chunk = { choices: [{ delta: { content: 'a' }, logprobs: { content: logprobs } }] };
  expect(read({ top_logprobs: 0 }, [chunk])).toEqual([{ type: 'text', text: 'a', logprobs }]);
  expect(read({}, [chunk])).toEqual([{ type: 'text', text: 'a' }]);
});

test('an answer that makes no sense is a failed call, which is worth another try', () => {
  for (const chunk of [null, { error: 'out of memory' }]) {
    expect(() => read({}, [chunk])).toThrow(UpstreamFailure);
  }
  const nameless = delta({ tool_calls: [{ index: 0, function: { arguments: '{}' } }] });
  expect(() => read({}, [nameless])).toThrow(UpstreamFailure);
});
