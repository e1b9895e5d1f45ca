import { describe, expect, test } from 'vitest';
import { type FileTextBounds, type SentFile, textOfFile } from '../src/index.ts';
import { linesOf, pdfOf } from './pdfs.ts';
import { reasonOf } from './refusal.ts';

function read(bytes: string | Uint8Array, sent: Partial<SentFile> = {}, bounds: Partial<FileTextBounds> = {}) {
  return textOfFile({ bytes: Buffer.from(bytes), filename: null, mediaType: null, ...sent }, bounds);
}

describe('text', () => {
  test.each([
    ['text/plain', null, 'text/plain'],
    ['Text/Markdown; charset=utf-8', 'a.bin', 'text/markdown'],
    ['text/x-anything', null, 'text/x-anything'],
    ['application/json', null, 'application/json'],
    ['application/ld+json', null, 'application/ld+json'],
    ['image/svg+xml', null, 'image/svg+xml'],
    ['application/octet-stream', 'main.rs', 'text/plain'],
    [null, 'data.JSON', 'application/json'],
    [null, 'a.b/table.csv', 'text/csv'],
    [null, 'C:\\notes.md', 'text/markdown'],
    [null, 'Dockerfile', 'text/plain'],
    ['video/mp2t', 'server.ts', 'text/plain'],
  ])('%s, named %s, is %s', async (mediaType, filename, expected) => {
    expect(await read('{"ä": "😀"}\r\n', { mediaType, filename })).toEqual({
      text: '{"ä": "😀"}\r\n',
      mediaType: expected,
    });
  });

  test('has no byte order mark, and may be empty', async () => {
    expect((await read('\ufeffa,b', { filename: 'a.csv' })).text).toBe('a,b');
    expect((await read('', { filename: 'a.csv' })).text).toBe('');
  });

  test.each([
    ['Latin-1', Buffer.from('caf\u00e9', 'latin1')],
    ['UTF-16', Buffer.from('hello', 'utf16le')],
    ['a character that is cut', Buffer.from('é').subarray(0, 1)],
    ['an encoded surrogate', Buffer.from([0xed, 0xa0, 0x80])],
    ['an overlong form', Buffer.from([0xc0, 0xaf])],
    ['a picture', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')],
  ])('%s is not UTF-8 text', async (_, bytes) => {
    expect(await reasonOf(() => read(bytes, { mediaType: 'text/plain' }))).toBe('not_utf8');
  });

  test('of as many characters as are allowed is read, and one more is not', async () => {
    const sent = { mediaType: 'text/plain' };
    for (const character of ['a', 'é', '€']) {
      expect((await read(character.repeat(100), sent, { characters: 100 })).text).toHaveLength(100);
      expect(await reasonOf(() => read(character.repeat(101), sent, { characters: 100 }))).toBe('too_large');
    }
    expect(await reasonOf(() => read(Buffer.alloc(301, 0xff), sent, { characters: 100 }))).toBe('too_large');
  });
});

describe('what is neither text nor PDF', () => {
  test.each([
    ['a picture', 'image/png', 'a.png'],
    ['an archive', 'application/zip', 'a.docx'],
    ['nothing is known', null, null],
    ['an unknown extension', 'application/octet-stream', 'a.json.xyz'],
    ['a name without an extension', null, 'json'.repeat(2)],
    ['a type like a text one', 'application/jsonish', null],
  ])('%s', async (_, mediaType, filename) => {
    expect(await reasonOf(() => read('PK\u0003\u0004', { mediaType, filename }))).toBe('unsupported_type');
  });
});

describe('a PDF', () => {
  const two = pdfOf([linesOf('First page', 'with two lines'), linesOf('Second \\(page\\)')], { compressed: true });

  test('is read page by page, whatever it is called', async () => {
    const expected = { text: 'First page\nwith two lines\n\nSecond (page)', mediaType: 'application/pdf' };
    expect(await read(two)).toEqual(expected);
    expect(await read(two, { mediaType: 'text/plain', filename: 'a.txt' })).toEqual(expected);
  });

  test('may have something before its header', async () => {
    const text = await read(Buffer.concat([Buffer.from('\n\n'), pdfOf([linesOf('Late')])]));
    expect(text).toEqual({ text: 'Late', mediaType: 'application/pdf' });
  });

  test('leaves its bytes to whoever has them', async () => {
    const bytes = Uint8Array.from(two);
    await textOfFile({ bytes, filename: null, mediaType: null });
    expect(Buffer.compare(bytes, two)).toBe(0);
  });

  test('of pictures alone has no text', async () => {
    expect((await read(pdfOf(['0 0 100 100 re f']))).text).toBe('');
  });

  test('are read while others are', async () => {
    const texts = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((each) => read(pdfOf([linesOf(each)]))));
    expect(texts.map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test.each([
    ['a header alone', '%PDF-1.7'],
    ['a header and noise', `%PDF-1.7\n${'1 0 obj << '.repeat(1000)}`],
    ['half of it', two.subarray(0, two.byteLength / 4)],
    ['what is only called so', 'hello'],
    ['nothing', ''],
  ])('that is broken is refused: %s', async (_, bytes) => {
    expect(await reasonOf(() => read(bytes, { mediaType: 'application/pdf' }))).toBe('broken_pdf');
  });

  test('of more pages, or more characters, than are allowed is refused', async () => {
    expect((await read(two, {}, { pages: 2 })).text).toContain('Second');
    expect(await reasonOf(() => read(two, {}, { pages: 1 }))).toBe('too_large');
    expect(await reasonOf(() => read(two, {}, { characters: 30 }))).toBe('too_large');
  });

  const loop = 'q Q '.repeat(10_000_000);

  test('that takes too long is given up', async () => {
    const endless = pdfOf([loop], { compressed: true });
    expect(await reasonOf(() => read(endless, {}, { pdfMs: 200 }))).toBe('too_large');
  });

  test('that unfolds to more memory than is allowed is given up', async () => {
    const bomb = pdfOf([' '.repeat(200_000_000)], { compressed: true });
    expect(bomb.byteLength).toBeLessThan(300_000);
    const bounds = { pdfBytes: 64 * 1024 * 1024, pdfMs: 60_000 };
    expect(await reasonOf(() => read(bomb, {}, bounds))).toBe('too_large');
  });

  test('after one that was given up is read', async () => {
    const endless = pdfOf([loop], { compressed: true });
    const refused = [1, 2, 3].map(() => reasonOf(() => read(endless, {}, { pdfMs: 100 })));
    expect((await read(two)).text).toContain('First page');
    expect(await Promise.all(refused)).toEqual(['too_large', 'too_large', 'too_large']);
  });
});
