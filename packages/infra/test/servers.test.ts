import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  findNatsServer,
  freePort,
  type RunningServer,
  removePostgres,
  signalTo,
  startNats,
  startPostgres,
  until,
} from '../src/index.ts';
import { temporaryDir } from './temporary-dir.ts';

const log = () => undefined;
const BUILD_MS = 420_000;

vi.setConfig({ testTimeout: 60_000 });

beforeAll(async () => {
  await findNatsServer({ log });
}, BUILD_MS);

async function running(server: Promise<RunningServer>): Promise<RunningServer> {
  const started = await server;
  onTestFinished(() => started.stop());
  return started;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const isGone = async (pid: number) =>
  (await until(() => (signalTo(pid, 0) ? undefined : true), { forMs: 15_000, everyMs: 20 })) === true;

describe('nats-server', () => {
  test('keeps its streams between starts, takes messages of 8 MiB, and stops', async () => {
    const dir = await temporaryDir();
    const first = await running(startNats({ dir, log }));
    const before = await connect({ servers: first.url });
    expect(before.info?.max_payload).toBe(8 * 1024 * 1024);
    await (await jetstreamManager(before)).streams.add({ name: 'KEPT', subjects: ['kept.>'] });
    await jetstream(before).publish('kept.a', 'text');
    await before.close();
    await first.stop();
    expect((await first.exited).signal).toBeNull();
    expect(signalTo(first.pid, 0)).toBe(false);

    const second = await running(startNats({ dir, log, port: first.port, strictPort: true }));
    expect(second.url).toBe(first.url);
    const after = await connect({ servers: second.url });
    expect((await (await jetstreamManager(after)).streams.info('KEPT')).state.messages).toBe(1);
    await after.close();
  });

  test('a second one on the same folder takes the place of the first', async () => {
    const dir = await temporaryDir();
    const first = await running(startNats({ dir, log }));
    const second = await running(startNats({ dir, log }));
    await first.exited;
    expect(signalTo(first.pid, 0)).toBe(false);
    expect(signalTo(second.pid, 0)).toBe(true);
  });

  test('a taken port is passed over, or an error when it has to be that one', async () => {
    const [one, two] = [await temporaryDir(), await temporaryDir()];
    const first = await running(startNats({ dir: one, log }));
    await expect(startNats({ dir: two, log, port: first.port, strictPort: true })).rejects.toThrow(/taken/);
    const second = await running(startNats({ dir: two, log, port: first.port }));
    expect(second.port).toBeGreaterThan(first.port);
  });

  test('one that does not start says so with the end of its log, and leaves no process', async () => {
    const dir = await temporaryDir();
    await writeFile(join(dir, 'store'), 'a file where the store should be');
    await expect(startNats({ dir, log })).rejects.toThrow(/ended before it was ready[\s\S]*log/);
  });
});

describe('postgres', () => {
  /** A folder with a cluster in it, stopped cleanly; each test that begins with one leaves it so. */
  const kept = mkdtempSync(join(tmpdir(), 'tailrace-test-'));
  beforeAll(async () => {
    await chmod(kept, 0o755);
    await (await startPostgres({ dir: kept, log, fast: true })).stop();
  });
  afterAll(() => rm(kept, { recursive: true, force: true, maxRetries: 5 }));

  test('keeps its data and its password between starts, and stops', async () => {
    const dir = await temporaryDir();
    const first = await running(startPostgres({ dir, log, fast: true }));
    expect(await query(first.url, 'show server_encoding')).toEqual([{ server_encoding: 'UTF8' }]);
    expect(await query(first.url, 'show max_connections')).toEqual([{ max_connections: '200' }]);
    await query(first.url, 'create table kept as select 1 as n');
    await first.stop();
    expect(await first.exited).toEqual({ code: 0, signal: null });
    expect(signalTo(first.pid, 0)).toBe(false);

    const second = await running(startPostgres({ dir, log, fast: true, port: first.port, strictPort: true }));
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 1 }]);
  });

  test('starts again after kill -9, with connections open, on the same port', async () => {
    const dir = kept;
    const first = await running(startPostgres({ dir, log, fast: true }));
    const client = new pg.Client({ connectionString: first.url });
    const lost = once(client, 'error');
    await client.connect();
    const sleeping = client.query('select pg_sleep(60)').then(
      () => 'slept',
      () => 'interrupted',
    );
    signalTo(first.pid, 'SIGKILL');
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });

    const second = await running(startPostgres({ dir, log, fast: true, port: first.port, strictPort: true }));
    expect(await query(second.url, 'select 1 as n')).toEqual([{ n: 1 }]);
    await lost;
    expect(await sleeping).toBe('interrupted');
  });

  test('is not kept from starting by a pid file whose pid is another process by now', async () => {
    const dir = kept;
    const first = await running(startPostgres({ dir, log, fast: true }));
    await first.stop();
    await writeFile(join(dir, 'data', 'postmaster.pid'), `${process.pid}\n${dir}/data\n0\n${first.port}\n`);
    const second = await running(startPostgres({ dir, log, fast: true }));
    expect(await query(second.url, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test('an orphan on the same data is stopped first', async () => {
    const dir = kept;
    const first = await running(startPostgres({ dir, log, fast: true }));
    const second = await running(startPostgres({ dir, log, fast: true }));
    await first.exited;
    expect(await query(second.url, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test('runs on a folder only its owner can enter, and leaves nothing when removed', async () => {
    const closed = join(await temporaryDir(), 'closed');
    await mkdir(closed, { mode: 0o700 });
    const dir = join(closed, 'postgres');
    const lines: string[] = [];
    const server = await running(startPostgres({ dir, log: (line) => lines.push(line), fast: true }));
    const rows = await query(server.url, 'show data_directory');
    const dataDir = (rows[0] as { data_directory: string }).data_directory;
    await server.stop();
    await removePostgres(dir, log);
    await expect(readdir(dataDir)).rejects.toThrow(/ENOENT/);
    expect(await readdir(closed)).toEqual([]);
  });

  test('leaves nothing of a folder that was deleted, after the next start at the latest', async () => {
    const closed = join(await temporaryDir(), 'closed');
    const start = async (name: string) => {
      await mkdir(closed, { mode: 0o700, recursive: true });
      const server = await running(startPostgres({ dir: join(closed, name), log, fast: true }));
      const rows = await query(server.url, 'show data_directory');
      await server.stop();
      return (rows[0] as { data_directory: string }).data_directory;
    };
    const deleted = await start('one');
    await rm(closed, { recursive: true });
    await start('two');
    await expect(readdir(deleted)).rejects.toThrow(/ENOENT/);
    await removePostgres(join(closed, 'two'), log);
  });

  test('says what to do when the data is of another major version', async () => {
    const dir = await temporaryDir();
    await mkdir(join(dir, 'data'));
    await writeFile(join(dir, 'data', 'PG_VERSION'), '9\n');
    await expect(startPostgres({ dir, log })).rejects.toThrow(/PostgreSQL 9.*--fresh/);
  });
});

test('neither server survives kill -9 of the process that started it', async () => {
  const dir = await temporaryDir();
  const parent = fork(join(import.meta.dirname, 'fixtures', 'parent.ts'), [dir]);
  const [pids] = (await once(parent, 'message')) as [[number, number]];
  expect(pids.map((pid) => signalTo(pid, 0))).toEqual([true, true]);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  expect(await Promise.all(pids.map(isGone))).toEqual([true, true]);
});

test('a start that is aborted leaves nothing running', async () => {
  const dir = await temporaryDir();
  const controller = new AbortController();
  const reason = new Error('enough');
  const starting = startPostgres({
    dir,
    log: () => controller.abort(reason),
    fast: true,
    signal: controller.signal,
    port: await freePort(),
  });
  await expect(starting).rejects.toBe(reason);
  expect((await readdir(dir)).filter((name) => name.startsWith('new-'))).toEqual([]);
  await rm(dir, { recursive: true, force: true });
});
