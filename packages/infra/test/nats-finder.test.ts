import { describe, expect, test } from 'vitest';
import { firstOf } from '../src/nats-finder.ts';
import { isSupported, parseVersion, versionOf } from '../src/nats-version.ts';
import type { FindContext, NatsWay } from '../src/nats-way.ts';

function context(lines: string[] = [], signal?: AbortSignal): FindContext {
  return { cacheDir: '/nowhere', env: {}, log: (line) => lines.push(line), signal };
}

const found = (name: string): NatsWay => ({ name, find: async () => `/bin/${name}` });
const notAskedFor: NatsWay = { name: 'not asked for', find: async () => undefined };
const broken = (name: string, message: string): NatsWay => ({
  name,
  find: () => Promise.reject(new Error(message)),
});
const anyVersion = async () => '2.14.5';

describe('firstOf', () => {
  test('takes the first way that works and tries none after it', async () => {
    const untouched: NatsWay = { name: 'later', find: () => Promise.reject(new Error('was tried')) };
    const lines: string[] = [];
    const binary = await firstOf([notAskedFor, found('second'), untouched], context(lines), anyVersion);
    expect(binary).toEqual({ path: '/bin/second', version: '2.14.5', source: 'second' });
    expect(lines).toEqual([]);
  });

  test('says in one line why a way failed, in order, and goes on', async () => {
    const lines: string[] = [];
    const ways = [broken('a', 'no network\nand a second line'), broken('b', 'no Go'), found('c')];
    expect((await firstOf(ways, context(lines), anyVersion)).source).toBe('c');
    expect(lines).toEqual(['nats-server: a: no network', 'nats-server: b: no Go']);
  });

  test('goes on when a binary that was found does not run', async () => {
    const lines: string[] = [];
    const ways: NatsWay[] = [{ name: 'PATH', find: async () => '/does/not/exist' }, found('node')];
    const runs = (path: string) => (path === '/bin/node' ? anyVersion() : versionOf(path));
    expect((await firstOf(ways, context(lines), runs)).source).toBe('node');
    expect(lines).toEqual(['nats-server: PATH: /does/not/exist: not found']);
  });

  test('says what to do when every way has failed', async () => {
    await expect(firstOf([broken('a', 'x')], context(), anyVersion)).rejects.toThrow(/NATS_SERVER_BIN.*NATS_URL/);
  });

  test('ends with the reason of the abort, not with the failure it caused', async () => {
    const controller = new AbortController();
    const reason = new Error('stopped by the user');
    const way: NatsWay = {
      name: 'slow',
      find: () => {
        controller.abort(reason);
        return Promise.reject(new Error('killed'));
      },
    };
    await expect(firstOf([way, found('next')], context([], controller.signal), anyVersion)).rejects.toBe(reason);
  });
});

describe('versions', () => {
  test('are read from what the server prints', () => {
    expect(parseVersion('nats-server: v2.14.5\n')).toBe('2.14.5');
    expect(parseVersion('nats-server: v2.11.0-preview.2')).toBe('2.11.0');
    expect(parseVersion('hello')).toBeUndefined();
  });

  test('below 2.9 are refused', () => {
    expect(['2.9.10', '2.14.5', '3.0.0'].map(isSupported)).toEqual([true, true, true]);
    expect(['2.8.4', '1.4.1', '0.9.0'].map(isSupported)).toEqual([false, false, false]);
  });
});
