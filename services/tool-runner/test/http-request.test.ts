import type { RegisteredHttpTool } from '@tailrace/registry';
import { describe, expect, test } from 'vitest';
import { httpToolOutput } from '../src/http/http-output.ts';
import { httpToolRequest } from '../src/http/http-request.ts';

const base = 'http://tool.internal/v1/items';

function request(url: string, args: Record<string, unknown>, change: Partial<RegisteredHttpTool> = {}) {
  const tool = { method: 'POST', url, argumentsIn: 'body', ...change } as const;
  return httpToolRequest(tool, { text: JSON.stringify(args), value: args });
}

describe('where the arguments go', () => {
  test('the URL takes those that it names, the body the others', () => {
    const { url, body } = request(`${base}/{id}/parts/{part}?as={as}&x=1`, {
      id: 'a b/ü',
      part: 7,
      as: 'c&d',
      note: 1.5,
    });
    expect(url).toBe(`${base}/a%20b%2F%C3%BC/parts/7?as=c%26d&x=1`);
    expect(body).toBe('{"note":1.5}');
  });

  test('all of them are sent as the model wrote them', () => {
    const tool = { method: 'PUT', url: base, argumentsIn: 'body' } as const;
    const text = '{ "n": 1.0, "big": 12345678901234567890 }';
    expect(httpToolRequest(tool, { text, value: JSON.parse(text) })).toEqual({ method: 'PUT', url: base, body: text });
  });

  test.each([
    ['GET', 'body'],
    ['GET', 'query'],
    ['DELETE', 'query'],
    ['POST', 'query'],
  ] as const)('%s with arguments in the %s: the query', (method, argumentsIn) => {
    const args = { q: 'a b', n: 1, yes: true, none: null, list: ['x', 2, ['y']], deep: { a: 1 } };
    const { url, body } = request(`${base}?v=1`, args, { method, argumentsIn });
    expect(body).toBeNull();
    expect([...new URL(url).searchParams]).toEqual([
      ['v', '1'],
      ['q', 'a b'],
      ['n', '1'],
      ['yes', 'true'],
      ['list', 'x'],
      ['list', '2'],
      ['list', '["y"]'],
      ['deep', '{"a":1}'],
    ]);
  });

  test.each([undefined, null, '', ['a'], { a: 1 }])('a value that the URL cannot take: %j', (id) => {
    expect(() => request(`${base}/{id}`, { id })).toThrow(expect.objectContaining({ code: 'tool_arguments_mismatch' }));
  });

  test.each([
    ['the path', `${base}/{city}`, { city: 'Z\ud800rich' }, {}],
    ['the query of the URL', `${base}?city={city}`, { city: '\udc00' }, {}],
    ['the query', base, { city: '\ud800' }, { method: 'GET' }],
    ['a list in the query', base, { city: ['Bern', '\ud800'] }, { method: 'GET' }],
    ['a name in the query', base, { 'city\ud800': 'Bern' }, { method: 'GET' }],
  ] as const)('half of a character cannot stand in %s', (_, url, args, change) => {
    expect(() => request(url, args, change)).toThrow(
      expect.objectContaining({ code: 'tool_arguments_mismatch', message: expect.stringContaining('/city') }),
    );
  });

  test('half of a character in the body is written as an escape', () => {
    expect(request(`${base}/{id}`, { id: 1, note: '\ud800' }).body).toBe('{"note":"\\ud800"}');
    expect(new URL(request(base, { deep: { a: '\ud800' } }, { method: 'GET' }).url).searchParams.get('deep')).toBe(
      '{"a":"\\ud800"}',
    );
  });

  test.each(['..', '.', '../admin', '..\\admin'])('a value that would lead out of the path: %s', (id) => {
    const asked = () => request(`${base}/{id}`, { id }).url;
    if (id.length > 2) expect(new URL(asked()).pathname).toMatch(/^\/v1\/items\/\.\.%/);
    else expect(asked).toThrow(expect.objectContaining({ code: 'tool_arguments_mismatch' }));
  });

  test('two values that are harmless alone', () => {
    expect(() => request(`${base}/{a}{b}/x`, { a: '.', b: '.' })).toThrow(
      expect.objectContaining({ code: 'tool_arguments_mismatch' }),
    );
  });

  test('never to another host', () => {
    expect(new URL(request('http://tool.internal/{a}', { a: '/evil.example/' }).url).host).toBe('tool.internal');
    expect(() => request('http://tool.internal{a}', { a: '.evil.example' })).toThrow(
      expect.objectContaining({ code: 'tool_arguments_mismatch' }),
    );
  });
});

describe('what comes back', () => {
  const bytes = (...all: number[]) => Buffer.from(all);

  test.each([
    ['application/json', '{"a":1}'],
    ['application/problem+json; charset=utf-8', '{}'],
    ['text/plain', 'schön'],
    ['TEXT/HTML', '<p>'],
    ['image/svg+xml', '<svg/>'],
    [undefined, 'schön'],
  ])('%s is text', (type, said) => {
    expect(httpToolOutput(type, Buffer.from(said), [])).toBe(said);
  });

  test('text in another character set is decoded', () => {
    expect(httpToolOutput('text/plain; charset="ISO-8859-1"', bytes(0x66, 0xfc, 0x72), [])).toBe('für');
  });

  test.each([
    ['image/png', bytes(1, 2, 3), { content_type: 'image/png', base64: 'AQID' }],
    [undefined, bytes(0xff, 0xfe), { content_type: 'application/octet-stream', base64: '//4=' }],
    ['text/plain; charset=klingon', bytes(65), { content_type: 'text/plain', base64: 'QQ==' }],
  ])('%s is base64', (type, body, expected) => {
    expect(JSON.parse(httpToolOutput(type, body, []))).toEqual(expected);
  });
});
