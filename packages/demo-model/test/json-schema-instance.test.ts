import { describe, expect, test } from 'vitest';
import { minimalInstance } from '../src/json-schema-instance.ts';

const text = { type: 'string' };
const node = {
  type: 'object',
  properties: { value: { type: 'integer' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
  required: ['value', 'next'],
};

describe('minimalInstance', () => {
  test.each<[string, unknown, unknown]>([
    ['a string', text, 'demo'],
    ['a string of a length', { type: 'string', minLength: 6, maxLength: 6 }, 'demode'],
    ['a short string', { type: 'string', maxLength: 2 }, 'de'],
    ['a date', { type: 'string', format: 'date' }, '2026-01-01'],
    ['a format that is not known', { type: 'string', format: 'colour' }, 'demo'],
    ['a number', { type: 'number' }, 0],
    ['an integer within bounds', { type: 'integer', minimum: 3, maximum: 9 }, 3],
    ['an integer above a bound', { type: 'integer', exclusiveMinimum: 3 }, 4],
    ['a multiple', { type: 'integer', minimum: 7, multipleOf: 5 }, 10],
    ['a number below zero', { type: 'number', maximum: -1.5 }, -2],
    ['a number between two others', { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
    ['true', { type: 'boolean' }, true],
    ['null', { type: 'null' }, null],
    ['the first of several types', { type: ['string', 'null'] }, 'demo'],
    ['a constant', { const: { a: 1 } }, { a: 1 }],
    ['the first value', { type: 'string', enum: ['b', 'a'] }, 'b'],
    ['the first alternative', { anyOf: [{ type: 'null' }, text] }, null],
    ['the first alternative that there is', { oneOf: [{ enum: [] }, false, text] }, 'demo'],
    ['an empty array', { type: 'array', items: text }, []],
    ['an array of a length', { type: 'array', items: text, minItems: 2 }, ['demo', 'demo']],
    ['required properties alone', { type: 'object', properties: { a: text, b: text }, required: ['b'] }, { b: 'demo' }],
    ['a property without a schema', { type: 'object', required: ['constructor'] }, { constructor: 'demo' }],
    ['what is implied', { properties: { a: { items: text, minItems: 1 } }, required: ['a'] }, { a: ['demo'] }],
    ['any value', true, 'demo'],
    [
      'all parts together',
      {
        $defs: { a: { type: 'object', properties: { a: text }, required: ['a'] } },
        allOf: [{ $ref: '#/$defs/a' }, { properties: { b: { type: 'null' } }, required: ['b'] }],
      },
      { a: 'demo', b: null },
    ],
    ['a reference with escapes', { $defs: { 'a/~b': text }, $ref: '#/$defs/a~1~0b' }, 'demo'],
    ['a list that ends', { $defs: { node }, $ref: '#/$defs/node' }, { value: 0, next: null }],
    [
      'the same schema twice',
      {
        $defs: { text },
        type: 'object',
        properties: { a: { $ref: '#/$defs/text' }, b: { $ref: '#/$defs/text' } },
        required: ['a', 'b'],
      },
      { a: 'demo', b: 'demo' },
    ],
  ])('%s', (_, schema, value) => {
    expect(minimalInstance(schema)).toEqual({ value });
  });

  let deep: object = text;
  for (let i = 0; i < 100; i += 1) deep = { type: 'array', minItems: 1, items: deep };
  let wide: object = text;
  for (let i = 0; i < 40; i += 1) wide = { type: 'array', minItems: 2, items: wide };
  test.each<[string, unknown]>([
    ['nothing', false],
    ['no schema', undefined],
    ['an unknown type', { type: 'thing' }],
    ['a reference to nothing', { $ref: '#/$defs/a' }],
    ['a reference to another document', { $ref: 'https://x.org/schema' }],
    ['an object inside itself', { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] }],
    ['bounds that leave nothing', { type: 'integer', minimum: 3, maximum: 2 }],
    ['bounds between multiples', { type: 'number', minimum: 1, maximum: 2, multipleOf: 5 }],
    ['more items than are made', { type: 'array', minItems: 1_001 }],
    ['a longer string than is made', { type: 'string', minLength: 10_001 }],
    ['a schema that is too deep', deep],
    ['a value that is too large', wide],
  ])('none of %s', (_, schema) => {
    expect(minimalInstance(schema)).toBeNull();
  });
});
