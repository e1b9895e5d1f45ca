import { describe, expect, test } from 'vitest';
import { AllowList } from '../src/address.ts';

describe('what is public', () => {
  const nothing = new AllowList([]);

  test.each([
    '8.8.8.8',
    '1.1.1.1',
    '172.15.0.1',
    '172.32.0.1',
    '100.128.0.1',
    '169.253.0.1',
    '2606:4700::1111',
    '2a00::1',
  ])('%s is let through', (address) => {
    expect(nothing.permits(address)).toBe(true);
  });

  test.each(['::ffff:8.8.8.8', '64:ff9b::8.8.8.8'])('%s is the IPv4 address in it', (address) => {
    expect(nothing.permits(address)).toBe(true);
  });

  test('what is no address is not', () => {
    for (const text of ['', 'localhost', '8.8', '134744072', '8.8.8.8/32', '2606:4700::1111%1', '[2606:4700::1111]']) {
      expect(nothing.permits(text)).toBe(false);
    }
  });
});

describe('what an operator allows', () => {
  test.each([
    ['10.1.0.0/16', '10.1.2.3', '10.2.0.1'],
    ['10.1.2.3', '10.1.2.3', '10.1.2.4'],
    ['10.1.0.0/16', '::ffff:10.1.2.3', '::ffff:10.2.0.1'],
    ['10.1.0.0/16', '64:ff9b::10.1.2.3', '64:ff9b::10.2.0.1'],
    ['fd00:1::/32', 'fd00:1::9', 'fd00:2::9'],
    ['::1', '::1', '::2'],
    ['[fd00::1]', 'fd00::1', 'fd00::2'],
    ['0.0.0.0/0', '127.0.0.1', '::1'],
  ])('%s lets %s through, and %s not', (entry, inside, outside) => {
    const allow = new AllowList([entry]);
    expect(allow.permits(inside)).toBe(true);
    expect(allow.permits(outside)).toBe(false);
  });

  test('host names mean exactly that host', () => {
    const allow = new AllowList(['Files.Internal.', 'minio']);
    expect(['files.internal', 'FILES.internal.', 'minio'].map((host) => allow.hasHost(host))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['internal', 'a.files.internal', 'minio.evil'].map((host) => allow.hasHost(host))).toEqual([
      false,
      false,
      false,
    ]);
  });

  test.each(['', '*', '10.0.0.0/33', 'http://files', 'files:80', 'a..b', '-a', 'a b', 'fe80::1%1', '1:2'])(
    '%j cannot be read',
    (entry) => {
      expect(() => new AllowList([entry])).toThrow(RangeError);
    },
  );
});
