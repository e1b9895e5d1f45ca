/** Which arguments are checked without a clock. */
import { describe, expect, test } from 'vitest';
import { quickChars } from '../src/quick-check.ts';

const chars = (schema: object) => quickChars(JSON.stringify(schema));

describe('without a clock', () => {
  test('arguments are checked against a plain schema, the larger of them the smaller of the other', () => {
    const plain = { type: 'object', properties: { city: { type: 'string', enum: ['a', 'b'] } }, required: ['city'] };
    expect(chars(plain)).toBeGreaterThan(10_000);
    expect(chars({ ...plain, description: 'x'.repeat(200_000) })).toBeLessThan(25);
  });

  test.each([
    ['a pattern', { properties: { a: { pattern: '(a+)+$' } } }],
    ['patterns of names', { patternProperties: { '(a+)+$': {} } }],
    ['a format', { items: { format: 'email' } }],
    ['what must be unique', { uniqueItems: true }],
    ['a reference', { $defs: { a: {} }, properties: { a: { $ref: '#/$defs/a' } } }],
    ['a dynamic reference', { $dynamicRef: '#a' }],
    ['a recursive reference', { $recursiveRef: '#' }],
    ['a pattern that is written otherwise', JSON.parse('{"\\u0070attern":"(a+)+$"}')],
  ])('nothing is checked against %s', (_, schema) => {
    expect(chars(schema)).toBe(0);
  });
});
