import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Sealer, UnsealError } from '../src/index.ts';

const sealer = new Sealer('the key of the installation');

describe('a sealed secret', () => {
  test('is opened by the same key, in whatever process', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (plain, key) => {
        expect(new Sealer(key).open(new Sealer(key).seal(plain))).toBe(plain);
      }),
    );
  });

  test('is another text each time, and shows nothing', () => {
    const sealed = Array.from({ length: 50 }, () => sealer.seal('sk-secret'));
    expect(new Set(sealed).size).toBe(50);
    expect(sealed.some((text) => Buffer.from(text, 'base64').includes('secret'))).toBe(false);
  });

  test('is not opened by another key', () => {
    const sealed = sealer.seal('sk-secret');
    expect(() => new Sealer('another key').open(sealed)).toThrow(UnsealError);
    expect(() => new Sealer('another key').open(sealed)).toThrow('TAILRACE_SECRET_KEY');
  });

  test('is not opened when any bit of it has changed', () => {
    const bytes = Buffer.from(sealer.seal('sk-secret'), 'base64');
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (index, bit) => {
        const changed = Buffer.from(bytes);
        changed[index] = (changed[index] ?? 0) ^ (1 << bit);
        expect(() => sealer.open(changed.toString('base64'))).toThrow(UnsealError);
      }),
    );
  });

  test('is not opened when it has been cut, not even in its tag', () => {
    for (const plain of ['sk-secret', '']) {
      const bytes = Buffer.from(sealer.seal(plain), 'base64');
      for (let length = 0; length < bytes.length; length += 1) {
        expect(() => sealer.open(bytes.subarray(0, length).toString('base64'))).toThrow(UnsealError);
      }
    }
  });

  test.each(['', 'not base64 !', 'sk-plain-text'])('was never %j', (text) => {
    expect(() => sealer.open(text)).toThrow(UnsealError);
  });
});

test('a sealer knows whether a secret was sealed with its key', () => {
  const sealed = new Sealer('one key, long enough').seal('secret');
  expect(new Sealer('one key, long enough').canOpen(sealed)).toBe(true);
  expect(new Sealer('another key, as long').canOpen(sealed)).toBe(false);
});
