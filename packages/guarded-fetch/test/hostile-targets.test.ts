import { describe, expect, test } from 'vitest';
import { GuardedFetch, GuardedFetchError, type GuardedFetchErrorCode, type LookupAll } from '../src/index.ts';

const never = new AbortController().signal;

async function codeOf(url: string, lookup?: LookupAll): Promise<GuardedFetchErrorCode> {
  const bounds = { allow: [], connectMs: 2000, totalMs: 5000, maxBytes: 1000, maxRedirects: 3 };
  const guarded = new GuardedFetch(lookup ? { ...bounds, lookup } : bounds);
  try {
    const answer = await guarded.get(url, never);
    throw new Error(`answered ${answer.status}`);
  } catch (error) {
    if (error instanceof GuardedFetchError) return error.code;
    throw error;
  } finally {
    await guarded.close();
  }
}

/** IPv4 addresses that are not the world's, and IPv6 ones. */
const FORBIDDEN = [
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '10.255.255.255',
  '100.64.0.1',
  '100.100.100.200',
  '127.0.0.1',
  '127.255.255.254',
  '168.63.129.16',
  '169.254.169.254',
  '169.254.170.2',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.0.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::8.8.8.8',
  '::ffff:127.0.0.1',
  '::ffff:10.0.0.1',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '::ffff:0:127.0.0.1',
  '64:ff9b::127.0.0.1',
  '64:ff9b::169.254.169.254',
  '64:ff9b::a00:1',
  '64:ff9b:1::8.8.8.8',
  '100::1',
  '2001::1',
  '2001:2::1',
  '2001:10::1',
  '2001:20::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '2002:a9fe:a9fe::1',
  '2002:808:808::1',
  '3fff::1',
  '4000::1',
  '5f00::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'febf::1',
  'fec0::1',
  'ff02::1',
];

describe('an address is refused', () => {
  test.each(FORBIDDEN)('%s in the URL', async (address) => {
    const host = address.includes(':') ? `[${address}]` : address;
    const lookup = () => Promise.reject(new Error('an address was looked up'));
    expect(await codeOf(`http://${host}:9/`, lookup)).toBe('forbidden_address');
    expect(await codeOf(`https://${host}:9/`, lookup)).toBe('forbidden_address');
  });

  test.each(FORBIDDEN)('%s behind a name', async (address) => {
    const lookup = () => Promise.resolve([{ address, family: address.includes(':') ? 6 : 4 }]);
    expect(await codeOf('https://files.example.com:9/', lookup)).toBe('forbidden_address');
  });

  test.each([
    ['decimal', 'http://2130706433/'],
    ['octal', 'http://0177.0.0.01/'],
    ['octal as one number', 'http://017700000001/'],
    ['hexadecimal', 'http://0x7f000001/'],
    ['hexadecimal bytes', 'http://0x7f.0x0.0x0.0x1/'],
    ['short', 'http://127.1/'],
    ['zero', 'http://0/'],
    ['percent-encoded', 'http://%31%32%37.0.0.1/'],
    ['full-width', 'http://１２７.０.０.１/'],
    ['ideographic full stops', 'http://127。0。0。1/'],
    ['enclosed digits', 'http://①②⑦.⓪.⓪.①/'],
    ['with a dot at its end', 'http://127.0.0.1./'],
    ['metadata as a number', 'http://2852039166/latest/meta-data/'],
    ['metadata in octal', 'http://0251.0376.0251.0376/'],
    ['IPv6 in full', 'http://[0000:0000:0000:0000:0000:0000:0000:0001]/'],
    ['mapped, in hexadecimal', 'http://[::ffff:7f00:1]/'],
    ['behind backslashes', 'http:\\\\127.0.0.1\\'],
    ['with tabs in it', 'ht\ttp://127.\n0.0.1/'],
    ['behind a fragment', 'http://127.0.0.1#@example.com/'],
    ['a name of this machine', 'http://localhost/'],
    ['another case', 'http://LocalHost/'],
  ])('written otherwise: %s', async (_, url) => {
    expect(await codeOf(url)).toBe('forbidden_address');
  });

  test('if only one of a name is forbidden', async () => {
    const lookup = () =>
      Promise.resolve([
        { address: '93.184.216.34', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ]);
    expect(await codeOf('http://files.example.com/', lookup)).toBe('forbidden_address');
  });

  test('with an IPv6 zone', async () => {
    const lookup = () => Promise.resolve([{ address: 'fe80::1%1', family: 6 }]);
    expect(await codeOf('http://files.example.com/', lookup)).toBe('forbidden_address');
  });
});

describe('a URL is refused', () => {
  test.each([
    ['nothing', ''],
    ['no URL', 'example.com'],
    ['a path', '/etc/passwd'],
    ['no host', 'http://'],
    ['a file', 'file:///etc/passwd'],
    ['ftp', 'ftp://example.com/'],
    ['gopher', 'gopher://127.0.0.1:6379/_INFO'],
    ['data', 'data:text/plain,hello'],
    ['javascript', 'javascript:alert(1)'],
    ['ws', 'ws://example.com/'],
    ['a user', 'http://user@example.com/'],
    ['a user and a password', 'http://user:password@example.com/'],
    ['a password', 'http://:password@example.com/'],
    ['an address that hides as a user', 'http://example.com@127.0.0.1/'],
    ['an IPv6 zone', 'http://[fe80::1%25eth0]/'],
    ['too large a number', 'http://127.0.0.256/'],
    ['a NUL', 'http://127.0.0.1\0.example.com/'],
  ])('%s', async (_, url) => {
    expect(await codeOf(url)).toBe('bad_url');
  });
});

test('messages tell no addresses', async () => {
  const lookup = () => Promise.resolve([{ address: '10.9.8.7', family: 4 }]);
  const bounds = { allow: [], connectMs: 2000, totalMs: 5000, maxBytes: 1000, maxRedirects: 3, lookup };
  const guarded = new GuardedFetch(bounds);
  const failed = await guarded.get('http://files.example.com/', never).catch((error: unknown) => error);
  await guarded.close();
  expect(failed).toBeInstanceOf(GuardedFetchError);
  expect(String(failed)).toContain("'files.example.com'");
  expect(String(failed)).not.toContain('10.9.8.7');
});
