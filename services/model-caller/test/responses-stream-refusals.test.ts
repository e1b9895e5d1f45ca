import { ApiError } from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ResponsesTranslator } from '../src/responses-stream.ts';
import type { ModelOp } from './operations.ts';

function translateAll(events: unknown[]): ModelOp[] {
  const translator = new ResponsesTranslator();
  return events.flatMap((event) => translator.translate(event));
}

const done = (item: object) => ({ type: 'response.output_item.done', output_index: 0, item });
const ended = (response: object, type = 'response.completed') => ({ type, response });

describe('what is no answer', () => {
  test.each<[string, unknown, string]>([
    [
      'a failed response',
      ended({ error: { code: 'server_error', message: 'out of memory' } }, 'response.failed'),
      'out of memory',
    ],
    [
      'a failed response without words',
      ended({ status: 'failed', error: null }, 'response.failed'),
      'the response is failed',
    ],
    ['a cancelled response', { object: 'response', status: 'cancelled' }, 'the response is cancelled'],
    ['a nested error', { type: 'error', error: { code: 'x', message: 'out of memory' } }, 'out of memory'],
    ['a flat error', { type: 'error', code: 'x', message: 'out of memory', param: null }, 'out of memory'],
    ['an error without a type', { error: { message: 'out of memory' } }, 'out of memory'],
    ['an error as text', { error: 'out of memory' }, 'out of memory'],
    ['an error without words', { type: 'error' }, 'no reason given'],
  ])('%s', (_what, event, reason) => {
    expect(refusalOf([event])).toEqual({
      code: 'upstream_error',
      message: `The model server answered in its stream: ${reason}`,
    });
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['a list', []],
    ['text', 'hello'],
    ['a delta that is no text', { type: 'response.output_text.delta', delta: 5 }],
    ['an item that is none', done({ type: 'message', content: 'a' })],
    ['an end without a response', { type: 'response.completed' }],
    ['usage that is no number', ended({ usage: { input_tokens: 'many' } })],
  ])('%s is invalid', (_what, event) => {
    expect(refusalOf([event]).code).toBe('upstream_invalid');
  });

  test('any events are translated or refused with an error of the catalogue', () => {
    const types = ['output_text.delta', 'output_text.done', 'refusal.done', 'output_item.added', 'output_item.done']
      .concat(['content_part.done', 'function_call_arguments.delta', 'completed', 'reasoning_summary_text.delta'])
      .map((name) => `response.${name}`);
    const item = fc.record(
      {
        type: fc.constantFrom('message', 'reasoning', 'function_call', 'other'),
        id: fc.constantFrom('a', 'b'),
        name: fc.constantFrom('f', ''),
        content: fc.oneof(
          fc.array(fc.record({ type: fc.constantFrom('output_text', 'refusal'), text: fc.string() })),
          fc.jsonValue(),
        ),
        arguments: fc.oneof(fc.string(), fc.jsonValue()),
      },
      { requiredKeys: ['type'] },
    );
    const near = fc.record(
      {
        type: fc.constantFrom(...types),
        output_index: fc.nat(2),
        item_id: fc.constantFrom('a', 'b'),
        content_index: fc.nat(1),
        delta: fc.oneof(fc.string(), fc.jsonValue()),
        text: fc.string(),
        item,
        part: fc.record({ type: fc.constantFrom('output_text', 'reasoning_text'), text: fc.string() }),
        response: fc.oneof(fc.record({ output: fc.array(item) }), fc.jsonValue()),
      },
      { requiredKeys: ['type'] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 5, arbitrary: near }, fc.jsonValue()), { maxLength: 12 }), (events) => {
        const begun = new Set<number>();
        try {
          for (const op of translateAll(events)) {
            if (op.type === 'call') begun.add(op.index);
            if (op.type === 'arguments') expect(begun).toContain(op.index);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

function refusalOf(events: unknown[]) {
  try {
    translateAll(events);
  } catch (error) {
    if (error instanceof ApiError) return error.info;
    throw error;
  }
  throw new Error('it was taken for an answer');
}
