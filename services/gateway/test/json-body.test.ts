import { ApiError } from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseJsonBody } from '../src/json-body.ts';

const parse = (text: string, depth = 64) => parseJsonBody(text, { depth });

function refusalOf(text: string, depth?: number): ApiError {
  try {
    parse(text, depth);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

describe('a body that is taken', () => {
  test.each([
    ['an empty object', '{}', {}],
    ['a scalar', ' "a:{[" ', 'a:{['],
    ['null', 'null', null],
    ['equal keys in two objects', '[{"a":1},{"a":2}]', [{ a: 1 }, { a: 2 }]],
    ['equal keys at two depths', '{"a":{"a":{"a":1}}}', { a: { a: { a: 1 } } }],
    ['keys that differ in their case only', '{"a":1,"A":2}', { a: 1, A: 2 }],
    ['keys that look like numbers', '{"1":1,"01":2,"0":[]}', { 1: 1, '01': 2, 0: [] }],
    ['a value equal to a key', '{"a":"a","b":["a","a"]}', { a: 'a', b: ['a', 'a'] }],
    ['structure within strings', '{"a":"{\\"a\\":1,[]}","b\\"":"\\\\"}', { a: '{"a":1,[]}', 'b"': '\\' }],
    ['backslashes before a quote', '["\\\\","\\\\\\"","\\\\\\\\"]', ['\\', '\\"', '\\\\']],
    ['an empty key', '{"":{"":1}}', { '': { '': 1 } }],
    ['a lone surrogate', '{"a":"\\ud800","\\udfff":1}', { a: '\ud800', '\udfff': 1 }],
    ['__proto__ as a value', '{"a":"__proto__"}', { a: '__proto__' }],
    ['keys that resemble __proto__', '{"__proto_":1,"_\\u005fproto_f":3}', { __proto_: 1, __proto_f: 3 }],
    ['the name of an inherited property', '{"constructor":{"prototype":1}}', { constructor: { prototype: 1 } }],
  ])('%s', (_, text, value) => {
    expect(parse(text)).toEqual(value);
  });

  test('is as deep as is allowed', () => {
    expect(parse('[{"a":[]}]', 3)).toEqual([{ a: [] }]);
    expect(parse('[[[]],[[]],[[]]]', 3)).toEqual([[[]], [[]], [[]]]);
  });

  test('keeps its keys, whatever the parser has met before', () => {
    const met = [JSON.parse('{"x":1,"\\\\":2}'), JSON.parse('{"y":1,"\\\\u006":2}')];
    expect(parse('{"x":1,"\\"":2}')).toEqual({ x: 1, '"': 2 });
    expect(parse('[{"y": -1.5e3 ,"\\u0061bcde" : [ true, null,"c" ] } ]')).toEqual([
      { y: -1500, abcde: [true, null, 'c'] },
    ]);
    expect(met).toEqual([{ x: 1, '\\': 2 }, expect.anything()]);
  });

  test('holds strings of any length with escapes anywhere', () => {
    for (let length = 0; length < 140; length += 1) {
      const value = { [`${'k'.repeat(length)}"`]: `${'x'.repeat(length)}\\"{` };
      expect(parse(JSON.stringify(value))).toEqual(value);
    }
  });
});

describe('a body that is refused', () => {
  const long = 'k'.repeat(1000);

  test.each([
    ['an equal key', '{"a":1,"b":2,"a":3}', 'the body has the key "a" twice'],
    ['an equal key with an equal value', '{"a":1,"a":1}', 'the body has the key "a" twice'],
    ['a key that is equal once unescaped', '{"a":1,"\\u0061":2}', 'the body has the key "a" twice'],
    ['an equal key further in', '{"input":[1,{"c":[[],{"x":1,"x":2}]}]}', '\'input[1].c[1]\' has the key "x" twice'],
    ['an equal key after an object', '{"a":{"b":1},"c":[{"d":[1,2]}],"a":2}', 'the body has the key "a" twice'],
    ['an equal key in an object that a later one replaces', '{"a":{"b":1,"b":2},"a":1}', '\'a\' has the key "b" twice'],
    ['an equal empty key', '[{"":1,"":2}]', '\'[0]\' has the key "" twice'],
    ['an equal key under an odd one', '{"a b":{"c":1,"c":2}}', '\'"a b"\' has the key "c" twice'],
    ['an equal long key', `{"${long}":1,"${long}":2}`, `the body has the key "${'k'.repeat(64)}…" twice`],
    ['__proto__', '{"a":{"__proto__":{"x":1}}}', '\'a\' has the key "__proto__", which is not allowed'],
    ['__proto__ twice', '{"__proto__":1,"__proto__":1}', 'the body has the key "__proto__", which is not allowed'],
    [
      '__proto__ in escapes',
      '{"\\u005f_pr\\u006fto_\\u005F":1}',
      'the body has the key "__proto__", which is not allowed',
    ],
    ['__proto__ after a space', '[{"__proto__" :1}]', '\'[0]\' has the key "__proto__", which is not allowed'],
  ])('%s', (_, text, reason) => {
    const error = refusalOf(text);
    expect(error.code).toBe('invalid_json');
    expect(error.message).toBe(`The body is not valid JSON: ${reason}.`);
  });

  test.each([
    ['nothing', ''],
    ['a text that ends early', '{"a":1'],
    ['a string without an end', '{"a":"b'],
    ['a string that ends with a backslash', '"\\'],
    ['a comma too many', '[1,]'],
    ['more ends than beginnings', ']]]{}'],
    ['two values', '{}{}'],
    ['a line break in a string', '"\n"'],
    ['an escape that is none', '{"\\x":1}'],
    ['single quotes', "{'a':1}"],
    ['a key without a value', '{"__proto__"}'],
    ['a byte order mark', '\ufeff{}'],
  ])('%s', (_, text) => {
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
    const error = refusalOf(text);
    expect(error.code).toBe('invalid_json');
    expect(error.cause).toBeInstanceOf(SyntaxError);
  });

  test.each([
    ['arrays', '[[[[]]]]'],
    ['objects', '{"a":{"a":{"a":{}}}}'],
    ['both', '[{"a":[{}]}]'],
    ['what is no JSON either', '[[[[[['],
  ])('too many levels of %s', (_, text) => {
    expect(refusalOf(text, 3).message).toBe('The body is not valid JSON: it is nested deeper than 3 levels.');
  });

  test('depth is refused before anything is built of it', () => {
    expect(refusalOf('['.repeat(8_000_000)).message).toContain('nested deeper than 64 levels');
  });
});

/** JSON has one zero. */
function withoutNegativeZero(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNegativeZero);
  if (typeof value !== 'object' || value === null) return value === 0 ? 0 : value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutNegativeZero(each)]));
}

describe('for every value', () => {
  const key = fc.oneof(fc.string({ unit: 'binary', maxLength: 4 }), fc.constantFrom('a', '\\', '"', '_proto__', '1'));
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, false),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string({ unit: 'binary' }),
      fc.array(tie('value')),
      fc.dictionary(key, tie('value'), { noNullPrototype: true }),
    ),
  }));

  test('what is written without equal keys is read as it was', () => {
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 1, '\t'), (any, indent) => {
        const text = JSON.stringify(any, null, indent);
        expect(parse(text, 1000)).toEqual(withoutNegativeZero(any));
      }),
    );
  });

  test('a key written twice is found wherever it is', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 3 }), key, value, value, (before, name, first, second) => {
        const twice = `{${JSON.stringify(name)}:${JSON.stringify(first)},${JSON.stringify(name)}:${JSON.stringify(second)}}`;
        const text = `[${[...before.map((each) => JSON.stringify(each)), twice].join()}]`;
        expect(refusalOf(text, 1000).message).toContain(
          `'[${before.length}]' has the key ${JSON.stringify(name)} twice`,
        );
      }),
    );
  });

  test('a text is refused exactly if it is no JSON, where no key is in question', () => {
    const noise = fc.array(fc.constantFrom('[', ']', '1', ',', '"', '\\', ' ', 'true', 'x'), { maxLength: 12 });
    fc.assert(
      fc.property(noise, (parts) => {
        const text = parts.join('');
        let expected: { value: unknown } | undefined;
        try {
          expected = { value: JSON.parse(text) };
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
        if (expected) expect(parse(text)).toEqual(expected.value);
        else expect(refusalOf(text).code).toBe('invalid_json');
      }),
      { numRuns: 1000 },
    );
  });
});
