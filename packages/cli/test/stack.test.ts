import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { findNatsServer, freePort, removePostgres, signalTo, until } from '@tailrace/infra';
import pg from 'pg';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { parse } from 'yaml';
import {
  DataDirInUse,
  type ProcessInfo,
  type RunState,
  type Stack,
  type StackOptions,
  startStack,
} from '../src/index.ts';
import { fakeStack } from './fixtures/fake-stack.ts';
import { temporaryDir } from './temporary-dir.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Servers that somebody else runs: a stack that is given them starts none, and fake services ask nothing of them. */
const NATS = { natsUrl: 'nats://127.0.0.1:1' };
const POSTGRES = { databaseUrl: 'postgres://127.0.0.1:1/elsewhere' };
const ELSEWHERE = { ...NATS, ...POSTGRES };

beforeAll(async () => {
  await findNatsServer({ log: () => undefined });
}, 420_000);

async function started(dir: string, more: Partial<StackOptions> = {}): Promise<Stack> {
  const stack = await startStack(fakeStack(dir, more));
  onTestFinished(() => stack.stop());
  return stack;
}

const readRun = async (dir: string) => JSON.parse(await readFile(join(dir, 'run.json'), 'utf8')) as RunState;
const pidOf = (processes: readonly ProcessInfo[], role: string) =>
  processes.find((process) => process.role === role)?.pid ?? 0;
const isAlive = ({ pid }: ProcessInfo) => signalTo(pid, 0);
const allGone = (processes: readonly ProcessInfo[]) =>
  until(() => (processes.some(isAlive) ? undefined : true), { forMs: 20_000, everyMs: 20 });

async function environmentOf(url: string | undefined): Promise<Record<string, string>> {
  return (await (await fetch(`${url}/env`)).json()) as Record<string, string>;
}

describe('a stack', () => {
  test('has every process, tells scripts of it, and leaves nothing behind', async () => {
    const dir = await temporaryDir();
    const replicas = { gateway: 2, toolRunner: 2 };
    const stack = await started(dir, { replicas, gatewayPort: await freePort() });
    const processes = stack.processes();
    expect(processes.map(({ role, index }) => `${role} ${index}`).toSorted()).toEqual(
      ['demo-model 0', 'gateway 0', 'gateway 1', 'model-caller 0', 'nats 0', 'orchestrator 0', 'postgres 0'].concat([
        'tool-runner 0',
        'tool-runner 1',
      ]),
    );
    expect(processes.every(isAlive)).toBe(true);

    const run = await readRun(dir);
    expect(run).toMatchObject({
      ready: true,
      gateways: stack.gateways,
      apiKey: stack.apiKey,
      adminKey: stack.adminKey,
    });
    expect(run).toMatchObject({ natsUrl: stack.natsUrl, databaseUrl: stack.databaseUrl });
    expect(run.processes.map(({ pid }) => pid)).toEqual(processes.map(({ pid }) => pid));
    expect(new Set(stack.gateways).size).toBe(2);
    for (const name of ['run.json', 'keys.json', 'config.yaml']) {
      expect((await stat(join(dir, name))).mode & 0o077).toBe(0);
    }

    await stack.stop();
    expect(processes.some(isAlive)).toBe(false);
    expect(await readdir(dir)).not.toContain('run.json');
    expect(await readdir(dir)).not.toContain('lock');
  });

  test('gives each service its environment', async () => {
    const dir = await temporaryDir();
    const config = { models: [{ name: 'real', upstreams: [] }] };
    const envFor = (role: string) => ({ FOR: role });
    const stack = await started(dir, { ...ELSEWHERE, env: { EXTRA: 'yes' }, envFor, config });
    const caller = stack.processes().find(({ role }) => role === 'model-caller');
    const env = await environmentOf(caller?.url);
    expect(env).toMatchObject({ NATS_URL: stack.natsUrl, DATABASE_URL: stack.databaseUrl, HOST: '127.0.0.1' });
    expect(env).toMatchObject({ ADMIN_API_KEY: stack.adminKey, EXTRA: 'yes', FOR: 'model-caller' });
    expect(Buffer.from(env.TAILRACE_SECRET_KEY ?? '', 'base64')).toHaveLength(32);
    const registry = parse(await readFile(env.TAILRACE_CONFIG ?? '', 'utf8'));
    expect(registry.keys).toEqual([{ name: 'local', key: stack.apiKey, groups: ['everyone'] }]);
    expect(registry.models.map(({ name }: { name: string }) => name)).toEqual(['real', 'demo']);
    expect(registry.models[1].upstreams[0].base_url).toBe(`${stack.demoModelUrl}/v1`);
  });

  test('keeps its data and keys between starts, and --fresh empties them and nothing else', async () => {
    const dir = await temporaryDir();
    await writeFile(join(dir, 'own.txt'), 'kept');
    const first = await started(dir, NATS);
    await query(first.databaseUrl, 'create table kept ()');
    await first.stop();
    const second = await started(dir, NATS);
    expect([second.apiKey, second.adminKey]).toEqual([first.apiKey, first.adminKey]);
    await query(second.databaseUrl, 'select from kept');
    await second.stop();
    const third = await started(dir, { ...NATS, fresh: true });
    expect(third.apiKey).not.toBe(first.apiKey);
    await expect(query(third.databaseUrl, 'select from kept')).rejects.toMatchObject({ code: '42P01' });
    expect(await readFile(join(dir, 'own.txt'), 'utf8')).toBe('kept');
  });

  test('uses the servers it is given', async () => {
    const stack = await started(await temporaryDir(), ELSEWHERE);
    const roles = stack.processes().map(({ role }) => role);
    expect(roles).toContain('orchestrator');
    expect(roles).not.toContain('nats');
    expect(roles).not.toContain('postgres');
    expect(stack).toMatchObject(ELSEWHERE);
  });

  test('is refused where another one runs, and not where one has died', async () => {
    const dir = await temporaryDir();
    const stack = await started(dir, ELSEWHERE);
    const another = () => startStack(fakeStack(dir, ELSEWHERE));
    await expect(another()).rejects.toBeInstanceOf(DataDirInUse);
    await expect(another()).rejects.toThrow(new RegExp(`process ${process.pid}.*--data-dir`));
    await stack.stop();
    await writeFile(join(dir, 'lock'), `${process.pid} started at another time`);
    await (await started(dir, ELSEWHERE)).stop();
  });

  test('passes over a taken gateway port', async () => {
    const port = await freePort();
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const options = { ...ELSEWHERE, replicas: { gateway: 2 }, gatewayPort: port };
    const stack = await started(await temporaryDir(), options);
    const ports = stack.gateways.map((url) => Number(new URL(url).port));
    expect(ports.every((used) => used > port && used < port + 100)).toBe(true);
  });
});

describe('a process that dies', () => {
  test.each([
    ['gateway', ELSEWHERE],
    ['nats', POSTGRES],
    ['postgres', NATS],
    ['demo-model', ELSEWHERE],
  ] as const)('is started again: %s', async (role, elsewhere) => {
    const dir = await temporaryDir();
    const stack = await started(dir, elsewhere);
    const before = stack.processes();
    await stack.kill(role);
    const again = await stack.ready(role);
    expect(again.pid).not.toBe(pidOf(before, role));
    expect(again.url).toBe(before.find((process) => process.role === role)?.url);
    const told = await until(
      async () => ((await readRun(dir)).processes.some(({ pid }) => pid === again.pid) ? true : undefined),
      { forMs: 5_000, everyMs: 10 },
    );
    expect(told).toBe(true);
    expect((await readRun(dir)).ready).toBe(true);
    if (role === 'postgres') await query(stack.databaseUrl, 'select 1');
  });

  test('stays dead when it is not to be started again, until it is asked for', async () => {
    const stack = await started(await temporaryDir(), { ...ELSEWHERE, restart: false, replicas: { gateway: 2 } });
    await stack.kill('gateway', 1);
    expect(stack.processes().filter(({ role }) => role === 'gateway')).toHaveLength(1);
    const again = await stack.start('gateway', 1);
    expect(again.url).toBe(stack.gateways[1]);
  });

  test('may be frozen and woken, and is stopped even when frozen', async () => {
    const stack = await started(await temporaryDir(), ELSEWHERE);
    await stack.kill('model-caller', 0, 'SIGSTOP');
    const before = stack.processes();
    await stack.stop();
    expect(before.some(isAlive)).toBe(false);
  });
});

describe('the end', () => {
  test('reaches services first, and each by SIGTERM alone', async () => {
    const dir = await temporaryDir();
    const journal = join(dir, 'journal');
    const envFor = (role: string) => ({ JOURNAL: journal, NAME: role });
    const stack = await started(join(dir, 'data'), { ...ELSEWHERE, envFor });
    await stack.stop();
    const lines = (await readFile(journal, 'utf8')).trim().split('\n');
    const stops = lines.filter((line) => !line.endsWith(' up'));
    expect(stops.slice(0, -1).toSorted()).toEqual(
      ['gateway', 'model-caller', 'orchestrator', 'tool-runner'].map((role) => `${role} SIGTERM`),
    );
    expect(stops.at(-1)).toBe('demo-model SIGTERM');
  });

  test('by kill -9 of the process that started it all leaves nothing', async () => {
    const parent = fork(join(import.meta.dirname, 'fixtures', 'parent.ts'), [await temporaryDir()]);
    const [processes] = (await once(parent, 'message')) as [ProcessInfo[]];
    expect(processes.every(isAlive)).toBe(true);
    parent.kill('SIGKILL');
    expect(await allGone(processes)).toBe(true);
  });

  test('by an abort in the middle of a start leaves nothing, and the folder free', async () => {
    const dir = await temporaryDir();
    const controller = new AbortController();
    const reason = new Error('enough');
    const seen: number[] = [];
    const aborted = startStack(
      fakeStack(dir, {
        signal: controller.signal,
        onProgress: ({ name, state }) => {
          if (name === 'gateway 0' && state === 'starting') controller.abort(reason);
        },
        migrate: async () => {
          seen.push(Number.parseInt(await readFile(join(dir, 'postgres', 'data', 'postmaster.pid'), 'utf8'), 10));
          return { applied: [] };
        },
      }),
    );
    await expect(aborted).rejects.toBe(reason);
    expect(seen.map((pid) => signalTo(pid, 0))).toEqual([false]);
    await (await started(dir)).stop();
  });

  test('by a service that cannot start shows the end of its log, and leaves nothing', async () => {
    const dir = await temporaryDir();
    const envFor = (role: string): Record<string, string> => (role === 'tool-runner' ? { FAIL: '1' } : {});
    await expect(startStack(fakeStack(dir, { ...ELSEWHERE, envFor }))).rejects.toThrow(
      /tool-runner 0 ended before it was ready \(status 3\)[\s\S]*told to fail/,
    );
    expect(await readdir(dir)).not.toContain('lock');
  });
});

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

test('a data directory only its owner can enter is good enough', async () => {
  const dir = join(await temporaryDir(), 'closed');
  await mkdir(dir, { mode: 0o700 });
  const stack = await started(join(dir, 'data'));
  await query(stack.databaseUrl, 'select 1');
  await stack.stop();
  await removePostgres(join(dir, 'data', 'postgres'), () => undefined);
});
