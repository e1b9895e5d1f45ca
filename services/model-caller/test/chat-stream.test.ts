import { ApiError } from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChatTranslator } from '../src/chat-stream.ts';
import type { ModelOp } from './operations.ts';

const translateAll = (chunks: unknown[]): ModelOp[] => {
  const translator = new ChatTranslator();
  return chunks.flatMap((chunk) => translator.translate(chunk));
};
const delta = (fields: object, rest: object = {}) => ({ choices: [{ index: 0, delta: fields, ...rest }] });
const calls = (...tool_calls: object[]) => delta({ tool_calls });
const finish = (finish_reason: string) => delta({}, { finish_reason });

const text = (content: string): ModelOp => ({ type: 'text', text: content });

describe('text, reasoning and refusals', () => {
  type Row = [what: string, chunks: unknown[], ops: ModelOp[]];
  const ROWS: Row[] = [
    [
      'text in pieces',
      [delta({ role: 'assistant', content: '' }), delta({ content: 'a' }), delta({ content: 'b' })],
      [text('a'), text('b')],
    ],
    ['reasoning_content (DeepSeek, SGLang)', [delta({ reasoning_content: 'r' })], [{ type: 'reasoning', text: 'r' }]],
    ['reasoning (Ollama, OpenRouter)', [delta({ reasoning: 'r', content: '' })], [{ type: 'reasoning', text: 'r' }]],
    [
      'both names of reasoning are one',
      [delta({ reasoning: 'r', reasoning_content: 'r' })],
      [{ type: 'reasoning', text: 'r' }],
    ],
    [
      'an empty first name gives way',
      [delta({ reasoning_content: '', reasoning: 'r' })],
      [{ type: 'reasoning', text: 'r' }],
    ],
    ['a refusal', [delta({ refusal: 'no', content: null })], [{ type: 'refusal', text: 'no' }]],
    [
      'reasoning comes before text',
      [delta({ content: 'a', reasoning: 'r' })],
      [{ type: 'reasoning', text: 'r' }, text('a')],
    ],
    [
      'null everywhere',
      [delta({ content: null, reasoning: null, reasoning_content: null, refusal: null, tool_calls: null })],
      [],
    ],
    [
      'null around it',
      [{ choices: [{ index: null, delta: null, finish_reason: null }], usage: null, error: null }],
      [],
    ],
    ['nothing', [{}, { choices: [] }, { choices: null }, { choices: [{}] }], []],
    ['an empty list of calls', [delta({ content: 'a', tool_calls: [] })], [text('a')]],
    [
      'fields that nobody knows',
      [{ id: 'x', object: 'chat.completion.chunk', x: 1, choices: [{ delta: { content: 'a', y: 2 } }] }],
      [text('a')],
    ],
    [
      'of several choices the first',
      [
        {
          choices: [
            { index: 1, delta: { content: 'other' } },
            { index: 0, delta: { content: 'a' } },
          ],
        },
        { choices: [{ index: 1, delta: { content: 'other' }, finish_reason: 'stop' }] },
      ],
      [text('a')],
    ],
    [
      'a whole completion',
      [
        {
          choices: [{ message: { role: 'assistant', content: 'all' }, finish_reason: 'stop' }],
          usage: { prompt_tokens: 1, completion_tokens: 2 },
        },
      ],
      [
        text('all'),
        { type: 'finish', reason: 'stop' },
        {
          type: 'usage',
          usage: {
            input_tokens: 1,
            input_tokens_details: { cached_tokens: 0 },
            output_tokens: 2,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: 3,
          },
        },
      ],
    ],
  ];
  test.each(ROWS)('%s', (_what, chunks, ops) => {
    expect(translateAll(chunks)).toEqual(ops);
  });
});

describe('the end', () => {
  test.each([
    ['stop', 'stop'],
    ['tool_calls', 'stop'],
    ['function_call', 'stop'],
    ['eos', 'stop'],
    ['length', 'length'],
    ['max_tokens', 'length'],
    ['model_length', 'length'],
    ['content_filter', 'content_filter'],
  ])('finish reason %s is %s', (reason, expected) => {
    expect(translateAll([finish(reason)])).toEqual([{ type: 'finish', reason: expected }]);
  });

  test.each([[{ finish_reason: '' }], [{ finish_reason: null }], [{}]])('no finish reason: %j', (choice) => {
    expect(translateAll([{ choices: [choice] }])).toEqual([]);
  });

  const usage = (input: number, output: number, cached: number, reasoning: number, total: number): ModelOp => ({
    type: 'usage',
    usage: {
      input_tokens: input,
      input_tokens_details: { cached_tokens: cached },
      output_tokens: output,
      output_tokens_details: { reasoning_tokens: reasoning },
      total_tokens: total,
    },
  });
  const whole = {
    prompt_tokens: 10,
    completion_tokens: 5,
    total_tokens: 15,
    prompt_tokens_details: { cached_tokens: 4, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 2 },
  };
  test.each([
    ['in a chunk of its own', [finish('stop'), { choices: [], usage: whole }], usage(10, 5, 4, 2, 15)],
    ['in the last chunk', [{ ...finish('stop'), usage: whole }], usage(10, 5, 4, 2, 15)],
    [
      'without details',
      [finish('stop'), { usage: { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: null } }],
      usage(10, 5, 0, 0, 15),
    ],
    [
      'with nulls',
      [
        finish('stop'),
        {
          usage: {
            prompt_tokens: null,
            completion_tokens: 5,
            total_tokens: null,
            completion_tokens_details: { reasoning_tokens: null },
          },
        },
      ],
      usage(0, 5, 0, 0, 5),
    ],
  ])('usage %s', (_what, chunks, expected) => {
    expect(translateAll(chunks)).toEqual([{ type: 'finish', reason: 'stop' }, expected]);
  });
});

describe('what is no answer', () => {
  test.each([
    ['an error object', { error: { message: 'out of memory', code: 500 } }, 'out of memory'],
    ['an error object without a code', { error: { message: 'out of memory', type: 'server_error' } }, 'out of memory'],
    ['an error as text', { error: 'out of memory' }, 'out of memory'],
    ['an error beside choices', { choices: [{ delta: {}, finish_reason: 'error' }], error: { message: 'm' } }, 'm'],
    ['the chunk is the error (older vLLM)', { object: 'error', message: 'too long', code: 400 }, 'too long'],
    ['an error without words', { error: {} }, 'no reason given'],
    ['an end by an error', finish('error'), 'no reason given'],
    ['an error with an empty message', { error: { message: '' } }, 'no reason given'],
  ])('%s', (_what, chunk, reason) => {
    expect(refusalOf([chunk])).toEqual({
      code: 'upstream_error',
      message: `The model server answered in its stream: ${reason}`,
    });
  });

  test.each([
    ['null', [null]],
    ['a list', [[]]],
    ['text', ['hello']],
    ['choices that are no list', [{ choices: {} }]],
    ['content that is no text', [delta({ content: 5 })]],
    ['arguments that are no text', [calls({ index: 0, id: 'a', function: { name: 'f', arguments: 5 } })]],
    ['usage that is no number', [{ usage: { prompt_tokens: 'many' } }]],
    [
      'a call that never got a name',
      [calls({ index: 0, id: 'a', function: { arguments: '{}' } }), finish('tool_calls')],
    ],
  ])('%s is invalid', (_what, chunks) => {
    expect(refusalOf(chunks).code).toBe('upstream_invalid');
  });

  test('a call that has no name when the stream ends without a reason', () => {
    const translator = new ChatTranslator();
    translator.translate(calls({ index: 0, id: 'a', function: { arguments: '{}' } }));
    expect(() => translator.end()).toThrow(ApiError);
  });

  test('any JSON is translated or refused with an error of the catalogue', () => {
    const json = fc.jsonValue();
    const part = fc.record(
      {
        content: json,
        reasoning: json,
        reasoning_details: json,
        annotations: json,
        tool_calls: json,
        function_call: json,
      },
      { requiredKeys: [] },
    );
    const choice = fc.record({ delta: part, logprobs: json, finish_reason: json }, { requiredKeys: [] });
    const near = fc.record(
      { choices: fc.oneof(json, fc.tuple(choice)), usage: json, error: json, service_tier: json },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), near), (value) => {
        try {
          expect(Array.isArray(translateAll([value]))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError);
        }
      }),
    );
  });

  function refusalOf(chunks: unknown[]) {
    try {
      translateAll(chunks);
    } catch (error) {
      if (error instanceof ApiError) return error.info;
      throw error;
    }
    throw new Error('it was taken for an answer');
  }
});
