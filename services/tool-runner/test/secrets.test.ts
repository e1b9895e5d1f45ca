import { describe, expect, test } from 'vitest';
import { blotOut, blotOutBytes, secretsOf } from '../src/secrets.ts';

describe('what is secret of the headers of a request', () => {
  test.each(['x-session', 'X-Sess', 'x-tenant', 'x-subscription'])('the value of %s', (name) => {
    expect(secretsOf({ [name]: 'value-0123456789' })).toEqual(['value-0123456789']);
  });

  test.each([
    ['Accept', 'application/json'],
    ['content-type', 'application/json'],
    ['accept-language', 'de-CH, en;q=0.5'],
    ['user-agent', 'Tailrace/1.0'],
    ['origin', 'https://example.org'],
    ['referer', 'https://example.org/a'],
    ['anthropic-version', '2023-06-01'],
    ['x-mcp-tools', 'get_file_contents'],
    ['x-session', 'short-7'],
  ])('not that of %s: %s', (name, value) => {
    expect(secretsOf({ [name]: value })).toEqual([]);
  });

  test.each([
    ['authorization', 'Bearer sk-0123456', 'sk-0123456'],
    ['authorization', 'Basic dXNlcjpwYXNz', 'dXNlcjpwYXNz'],
    ['authorization', 'OurOwn sk-0123456', 'sk-0123456'],
    ['x-forward', 'bearer  sk-0123456 ', 'sk-0123456'],
  ])('the secret of %s: %s without its scheme, too', (name, value, secret) => {
    expect(secretsOf({ [name]: value })).toEqual([value.trim(), secret]);
  });

  test('no words of what only looks so', () => {
    expect(secretsOf({ 'x-title': 'My application' })).toEqual(['My application']);
  });

  test('as it stands, and as JSON writes it, the longest first', () => {
    expect(secretsOf({ authorization: 'Digest user="somebody"' })).toEqual([
      'Digest user=\\"somebody\\"',
      'Digest user="somebody"',
      'user=\\"somebody\\"',
      'user="somebody"',
    ]);
    expect(secretsOf({ 'x-key': 'abcd/efgh' })).toEqual(['abcd\\/efgh', 'abcd/efgh']);
  });

  test.each([
    ['https://mcp.example/u/0123456789abcdefgh/mcp', ['/u/0123456789abcdefgh/mcp', '0123456789abcdefgh']],
    ['https://mcp.example/mcp?token=t-123456', ['/mcp?token=t-123456', 'token=t-123456', 't-123456']],
    ['https://mcp.example/mcp?tools=get_docs', ['/mcp?tools=get_docs', 'tools=get_docs']],
    ['https://mcp.example/%C3%BC%C3%BC%C3%BC%C3%BC/', ['/%C3%BC%C3%BC%C3%BC%C3%BC/', '%C3%BC%C3%BC%C3%BC%C3%BC']],
    ['https://mcp.example/mcp', []],
    ['https://mcp.example', []],
  ])('what follows the origin of %s, and what is not just a word of it', (address, expected) => {
    const plain = secretsOf({}, address).filter((each) => !each.includes('\\'));
    expect(plain).toEqual(expected);
  });

  test('all of it is blotted out', () => {
    const secrets = secretsOf({ authorization: 'Bearer sk/0123456' });
    expect(blotOut('Bearer sk/0123456, sk/0123456, "sk\\/0123456"', secrets)).toBe('***, ***, "***"');
  });
});

describe('bytes', () => {
  test.each(['utf8', 'latin1', 'utf16le'] as const)('hold no secret in %s afterwards, and stay as many', (encoding) => {
    const secret = 'schlüssel';
    const bytes = Buffer.concat([Buffer.of(0xff, 0), Buffer.from(`${secret}${secret}.`, encoding), Buffer.of(0xfe)]);
    const hidden = blotOutBytes(bytes, [secret]);
    expect(hidden.length).toBe(bytes.length);
    const length = Buffer.byteLength(secret, encoding) * 2;
    const rest = Buffer.from('.', encoding);
    expect(hidden).toEqual(Buffer.concat([Buffer.of(0xff, 0), Buffer.alloc(length, '*'), rest, Buffer.of(0xfe)]));
  });

  test('without a secret are what they were', () => {
    const bytes = Buffer.from('\u0001\u0002\u0003\u0004');
    // Its characters have no bytes of their own in Latin-1.
    expect(blotOutBytes(bytes, ['\u0101\u0102\u0103\u0104', 'other'])).toBe(bytes);
  });
});
