import { expect, test } from 'vitest';
import { majorOf, parseLinks } from '../src/postgres-binaries.ts';
import { serverArgs } from '../src/postgres-server.ts';

test('the major version is read from what the server prints', () => {
  expect(majorOf('postgres (PostgreSQL) 18.4\n')).toBe('18');
  expect(majorOf('postgres (PostgreSQL) 19beta1')).toBe('19');
  expect(() => majorOf('hello')).toThrow(/version/);
});

test('a list of links that is not one is refused', () => {
  expect(parseLinks([{ source: 'a.so.1', target: 'a.so' }])).toEqual([{ source: 'a.so.1', target: 'a.so' }]);
  expect(() => parseLinks({})).toThrow(/list/);
  expect(() => parseLinks([{ source: 'a' }])).toThrow(/incomplete/);
});

test('only throw-away servers go without waiting for the disk', () => {
  const settings = { dataDir: '/data', host: '127.0.0.1', port: 5432 };
  expect(serverArgs({ ...settings, fast: true })).toContain('fsync=off');
  expect(serverArgs({ ...settings, fast: false })).not.toContain('fsync=off');
});
