import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFileData } from '../src/index.ts';
import { reasonOf } from './refusal.ts';

test.each([
  ['base64 alone', 'aGVsbG8=', 'hello', null],
  ['nothing', '', '', null],
  ['a data URL', 'data:text/plain;base64,aGVsbG8=', 'hello', 'text/plain'],
  ['a data URL without a type', 'data:;base64,aGVsbG8=', 'hello', null],
  ['a data URL with parameters', 'data:Text/CSV;charset=utf-8;header=present;base64,YSxi', 'a,b', 'text/csv'],
  ['a data URL in capitals', 'DATA:application/PDF;BASE64,JVBERi0=', '%PDF-', 'application/pdf'],
])('%s is decoded', (_, data, content, mediaType) => {
  const decoded = decodeFileData(data);
  expect({ ...decoded, bytes: Buffer.from(decoded.bytes).toString() }).toEqual({ bytes: content, mediaType });
});

test.each([
  ['text', 'hello world'],
  ['padding that is missing', 'aGVsbG8'],
  ['padding within', 'aG=sbG8='],
  ['padding alone', '===='],
  ['too much padding', 'aGVsb==='],
  ['bits after the end', 'aGVsbG9='],
  ['the URL alphabet', 'aG_-bG8='],
  ['a line break', 'aGVs\nbG8='],
  ['a line break at the end', 'aGVsbG8\n'],
  ['an address', 'https://example.com/a.pdf'],
  ['a data URL that is not base64', 'data:text/plain,hello'],
  ['a data URL with base64 in the middle', 'data:text/plain;base64;charset=utf-8,aGVsbG8='],
  ['a data URL without a comma', 'data:text/plain;base64'],
  ['a data URL with broken base64', 'data:text/plain;base64,aGVsbG8'],
])('%s is refused', async (_, data) => {
  expect(await reasonOf(() => decodeFileData(data))).toBe('not_base64');
});

test('what is encoded is decoded to the same bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const base64 = Buffer.from(bytes).toString('base64');
      expect([...decodeFileData(base64).bytes]).toEqual([...bytes]);
      expect([...decodeFileData(`data:a/b;base64,${base64}`).bytes]).toEqual([...bytes]);
    }),
  );
});

test('a head of any length is read in one go', async () => {
  for (const part of ['=', ';', ';a=', ' ']) {
    const data = `data:${part.repeat(4_000_000)}`;
    expect(await reasonOf(() => decodeFileData(data))).toBe('not_base64');
  }
});
