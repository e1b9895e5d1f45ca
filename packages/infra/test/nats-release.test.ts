import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cacheWay, keep } from '../src/nats-cache.ts';
import { pinnedRelease, releaseWayOf } from '../src/nats-release.ts';
import type { FindContext } from '../src/nats-way.ts';
import { freePort } from '../src/port.ts';
import { temporaryDir } from './temporary-dir.ts';

const script = (version: string) => `#!/bin/sh\necho "nats-server: v${version}"\n`;

async function archive(dir: string, version: string): Promise<Buffer> {
  await mkdir(join(dir, 'release'));
  await writeFile(join(dir, 'release', 'nats-server'), script(version), { mode: 0o755 });
  await promisify(execFile)('tar', ['-czf', join(dir, 'release.tar.gz'), '-C', dir, 'release']);
  return readFile(join(dir, 'release.tar.gz'));
}

async function serve(body: Buffer, status = 200): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/release.tar.gz`;
}

const sha256 = (body: Buffer) => createHash('sha256').update(body).digest('hex');
const member = 'release/nats-server';

function context(cacheDir: string): FindContext {
  return { cacheDir, env: {}, log: () => undefined };
}

describe('the official release', () => {
  test('is unpacked into the cache when its hash is the pinned one, and found there next time', async () => {
    const dir = await temporaryDir();
    const body = await archive(dir, '2.14.5');
    const way = releaseWayOf({ url: await serve(body), sha256: sha256(body), member });
    const cacheDir = join(dir, 'cache');
    const path = await way.find(context(cacheDir));
    expect(path).toBe(join(cacheDir, 'nats-server-2.14.5'));
    expect(await readFile(path ?? '', 'utf8')).toBe(script('2.14.5'));
    expect(await cacheWay.find(context(cacheDir))).toBe(path);
  });

  test('is thrown away, neither unpacked nor run, when its hash is another', async () => {
    const dir = await temporaryDir();
    const body = await archive(dir, '2.14.5');
    const way = releaseWayOf({ url: await serve(body), sha256: sha256(Buffer.from('something else')), member });
    await expect(way.find(context(join(dir, 'cache')))).rejects.toThrow(/SHA-256/);
    expect(await readdir(dir)).not.toContain('cache');
  });

  test('fails in one line when the server says no or nobody answers', async () => {
    const dir = await temporaryDir();
    const refused = `http://127.0.0.1:${await freePort()}/x`;
    const gone = await serve(Buffer.from('not found'), 404);
    await expect(releaseWayOf({ url: gone, sha256: '', member }).find(context(dir))).rejects.toThrow(/answers 404/);
    await expect(releaseWayOf({ url: refused, sha256: '', member }).find(context(dir))).rejects.toThrow(/ECONNREFUSED/);
  });

  test('is pinned for Linux and macOS on both architectures', () => {
    expect(pinnedRelease('linux', 'x64')?.url).toMatch(/\/v2\.14\.5\/nats-server-v2\.14\.5-linux-amd64\.tar\.gz$/);
    expect(pinnedRelease('darwin', 'arm64')?.member).toBe('nats-server-v2.14.5-darwin-arm64/nats-server');
    expect(pinnedRelease('sunos', 'x64')).toBeUndefined();
  });
});

describe('the cache', () => {
  test('keeps nothing that is too old, and nothing half written', async () => {
    const dir = await temporaryDir();
    const binary = join(dir, 'binary');
    await writeFile(binary, script('2.8.4'), { mode: 0o755 });
    await expect(keep(join(dir, 'cache'), binary)).rejects.toThrow(/2\.8\.4/);
    expect(await readdir(join(dir, 'cache'))).toEqual([]);
  });

  test('takes the newest of several', async () => {
    const dir = await temporaryDir();
    for (const name of ['nats-server-2.9.10', 'nats-server-2.14.5', 'nats-server-2.10.1', 'nats-server-9.tmp']) {
      await writeFile(join(dir, name), '');
    }
    expect(await cacheWay.find(context(dir))).toBe(join(dir, 'nats-server-2.14.5'));
  });
});
