import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonPieces } from '../src/index.ts';

const LONG = 40_000;

describe('JSON in pieces', () => {
  test('is what JSON.stringify makes of the same value', () => {
    // Long strings of every kind of unit, among short ones.
    const unit = fc.constantFrom('a', '"', '\\', '\n', '\u0001', 'é', '😀', '\ud83d', '\ude00');
    const long = fc.tuple(fc.array(unit, { minLength: 1, maxLength: 7 }), fc.nat(3)).map(([units, shift]) => {
      return 'x'.repeat(shift) + units.join('').repeat(Math.ceil(LONG / units.join('').length));
    });
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        fc.oneof(long, fc.string(), fc.double(), fc.boolean(), fc.constant(null)),
        fc.array(fc.oneof(tie('tree'), fc.constant(undefined)), { maxLength: 4 }),
        fc.dictionary(fc.string(), fc.oneof(tie('tree'), fc.constant(undefined)), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        expect([...jsonPieces(value)].join('') === JSON.stringify(value)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('is in small pieces, however long a string is', () => {
    const pieces = [...jsonPieces({ a: ['"'.repeat(10 * LONG)], b: 'é'.repeat(10 * LONG) })];
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(80_000);
  });

  test('is one piece of what is short', () => {
    expect([...jsonPieces({ a: [1, 'b'] })]).toEqual(['{"a":[1,"b"]}']);
  });
});
