import { ApiError } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { ToolArguments } from '../src/index.ts';

const checks = new ToolArguments();

/** The code and the message that arguments are refused with; undefined when they are not. */
function refusal(text: string, schema: Record<string, unknown> | null, by = checks) {
  try {
    by.check(text, schema);
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, message: error.message };
    throw error;
  }
  return undefined;
}

const mismatch = (text: string, schema: Record<string, unknown>) => {
  const refused = refusal(text, schema);
  expect(refused?.code).toBe('tool_arguments_mismatch');
  return refused?.message.replace('The arguments do not match the schema of the tool: ', '');
};

const city = {
  type: 'object',
  properties: { city: { type: 'string', minLength: 2 }, unit: { enum: ['c', 'f'] } },
  required: ['city'],
  additionalProperties: false,
};

describe('arguments', () => {
  test('that fit come back as they were written, and as a value', () => {
    const text = '{ "city":  "Bern" }';
    expect(checks.check(text, city)).toEqual({ text, value: { city: 'Bern' } });
    expect(checks.check('{"any": 1}', null).value).toEqual({ any: 1 });
  });

  test.each(['', ' \n'])('that are not there mean none: "%s"', (text) => {
    expect(checks.check(text, null)).toEqual({ text: '{}', value: {} });
    expect(refusal(text, city)).toMatchObject({ code: 'tool_arguments_mismatch' });
  });

  test.each(['{', '[1]', '"text"', 'null', '7', '{"a":1} and more'])('that are no object: %s', (text) => {
    expect(refusal(text, null)).toMatchObject({ code: 'tool_invalid_arguments' });
  });

  test('nothing is coerced, filled in or removed', () => {
    const schema = { type: 'object', properties: { n: { type: 'number', default: 1 } } };
    expect(checks.check('{}', schema).value).toEqual({});
    expect(refusal('{"n": "1"}', schema)).toMatchObject({ code: 'tool_arguments_mismatch' });
  });

  test('are checked as deep as a schema that refers to itself goes', () => {
    const tree = { type: 'object', properties: { child: { $ref: '#' }, name: { type: 'string' } } };
    expect(refusal('{"child":{"child":{"name":"x"}}}', tree)).toBeUndefined();
    expect(mismatch('{"child":{"child":{"name":1}}}', tree)).toBe('/child/child/name must be string.');
  });

  test('nested deeper than the stack goes do not fit', () => {
    const tree = { type: 'object', properties: { child: { $ref: '#' } } };
    const deep = `${'{"child":'.repeat(50_000)}{}${'}'.repeat(50_000)}`;
    expect(mismatch(deep, tree)).toBe('they are nested too deep.');
  });

  test('a model is told all that it has to mend, up to a bound', () => {
    expect(mismatch('{"unit": "k", "zip": 1}', city)).toBe(
      "the object must have required property 'city'; the object must NOT have additional properties (zip); " +
        '/unit must be equal to one of the allowed values ["c","f"].',
    );
    const required = Array.from({ length: 8 }, (_, n) => `p${n}`);
    expect(mismatch('{}', { required })).toMatch(/^(.*; ){5}and 3 more\.$/);
  });
});

describe('schemas', () => {
  test.each([
    ['2020-12', { $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [{ type: 'number' }] }],
    ['2019-09', { $schema: 'https://json-schema.org/draft/2019-09/schema', items: [{ type: 'number' }] }],
    ['draft 7', { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'number' }] }],
    ['draft 6', { $schema: 'http://json-schema.org/draft-06/schema#', items: [{ type: 'number' }] }],
    ['not said, new', { prefixItems: [{ type: 'number' }] }],
    ['not said, old', { items: [{ type: 'number' }] }],
  ])('of the edition %s', (_, { $schema, ...list }: Record<string, unknown>) => {
    const schema = { ...($schema ? { $schema } : {}), properties: { a: { type: 'array', ...list } } };
    expect(refusal('{"a": [1]}', schema)).toBeUndefined();
    expect(refusal('{"a": ["1"]}', schema)).toMatchObject({ code: 'tool_arguments_mismatch' });
  });

  test('with definitions, formats that are known and formats that are not, and patterns of other languages', () => {
    const schema = {
      $defs: { when: { type: 'string', format: 'date-time' } },
      properties: {
        at: { $ref: '#/$defs/when' },
        n: { type: 'integer', format: 'uint32' },
        name: { pattern: '^[\\w-.]+$' },
      },
    };
    expect(refusal('{"at": "2026-01-01T00:00:00Z", "n": 1, "name": "a-b.c"}', schema)).toBeUndefined();
    expect(mismatch('{"at": "yesterday"}', schema)).toContain('/at must match format "date-time"');
    expect(mismatch('{"name": "a b"}', schema)).toContain('/name must match pattern');
  });

  test('with the same $id do not meet', () => {
    const of = (type: string) => ({ $id: 'https://example.com/one', properties: { a: { $id: 'inner', type } } });
    expect(refusal('{"a": 1}', of('number'))).toBeUndefined();
    expect(refusal('{"a": "1"}', of('string'))).toBeUndefined();
    expect(refusal('{"a": "1"}', of('number'))).toMatchObject({ code: 'tool_arguments_mismatch' });
  });

  test.each([
    ['a type that there is not', { type: 'strnig' }],
    ['a keyword with a wrong value', { required: 'city' }],
    ['a reference to elsewhere', { $ref: 'http://127.0.0.1:9/schema.json' }],
    ['a pattern that is none', { properties: { a: { pattern: '(' } } }],
    ['an asynchronous one', { $async: true, type: 'object' }],
    ['a number where a schema should be', { properties: { a: 7 } }],
  ])('cannot be used: %s', (_, schema) => {
    const first = refusal('{"a": "x"}', schema);
    expect(first).toMatchObject({ code: 'tool_schema_unusable' });
    expect(refusal('{"a": "x"}', schema)).toEqual(first);
  });

  test('cannot be used: one that is too large', () => {
    const small = new ToolArguments({ schemaChars: 100 });
    expect(refusal('{}', { description: 'x'.repeat(100) }, small)).toEqual({
      code: 'tool_schema_unusable',
      message: "The schema of the tool's arguments cannot be used: it is larger than 100 characters.",
    });
    expect(refusal('{}', { description: 'x'.repeat(50) }, small)).toBeUndefined();
  });
});

describe('a schema that takes for ever', () => {
  const hasty = new ToolArguments({ ms: 300 });
  const tooLong = { code: 'tool_schema_unusable', message: expect.stringContaining('longer than 300 ms') };

  test('by a pattern that backtracks', () => {
    const schema = { properties: { a: { pattern: '^(a|aa)+$' } } };
    expect(refusal('{"a": "aaa"}', schema, hasty)).toBeUndefined();
    expect(refusal(JSON.stringify({ a: `${'a'.repeat(60)}!` }), schema, hasty)).toEqual(tooLong);
    // It is left alone for a while: nobody can hold the process up with it again and again.
    const startedAt = performance.now();
    expect(refusal('{"a": "aaa"}', schema, hasty)).toEqual(tooLong);
    expect(performance.now() - startedAt).toBeLessThan(300);
  });

  test('by references that double at each level', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 40 }, (_, n) => [
        `d${n}`,
        n === 39 ? { type: 'object' } : { allOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] },
      ]),
    );
    expect(refusal('{}', { $defs, $ref: '#/$defs/d0' }, hasty)).toEqual(tooLong);
  });
});
