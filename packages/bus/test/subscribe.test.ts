import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errors } from '@nats-io/nats-core';
import { findNatsServer, freePort, type RunningServer, startNats } from '@tailrace/infra';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Bus, connectBus, decodeMessage, MalformedMessage, openDesk, subscribe } from '../src/index.ts';

interface Told {
  err: unknown;
  subject: string;
  text: string;
}

let dir: string;
let nats: RunningServer;
let bus: Bus;
const told: Told[] = [];
const log = { error: (what: { err: unknown; subject: string }, text: string) => void told.push({ ...what, text }) };

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  nats = await startNats({ dir, log: () => undefined });
  bus = await connectBus({ url: nats.url, name: 'test', log });
});
afterAll(async () => {
  await bus.close();
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(() => {
  told.length = 0;
});

test.each([
  ['throws', (data: Uint8Array) => void decodeMessage('test', data)],
  ['rejects', async (data: Uint8Array) => void decodeMessage('test', data)],
])('what cannot be read is told, and what comes next is heard: %s', async (_, read) => {
  const heard: string[] = [];
  const subscription = subscribe(bus, 'test.*', async ({ subject, data }) => {
    heard.push(subject);
    await read(data);
  });
  bus.nc.publish('test.first', 'no JSON');
  bus.nc.publish('test.second', '{}');
  await bus.nc.flush();
  await expect.poll(() => heard).toEqual(['test.first', 'test.second']);
  expect(told).toEqual([
    { err: expect.any(MalformedMessage), subject: 'test.first', text: 'a message could not be handled' },
  ]);
  subscription.unsubscribe();
});

test('a handler that throws at once ends nothing else', async () => {
  subscribe(bus, 'broken', () => {
    throw new TypeError('a fault');
  });
  const answering = subscribe(bus, 'asked', (message) => void message.respond('here'));
  bus.nc.publish('broken');
  expect((await bus.nc.request('asked', '', { timeout: 2_000 })).string()).toBe('here');
  expect(told).toMatchObject([{ err: { message: 'a fault' }, subject: 'broken' }]);
  answering.unsubscribe();
});

test('one of many hears what is for a queue', async () => {
  const heard: number[] = [];
  for (let each = 0; each < 3; each += 1) subscribe(bus, 'shared', () => void heard.push(each), { queue: 'all' });
  bus.nc.publish('shared');
  await bus.nc.flush();
  expect(heard).toHaveLength(1);
});

test('a desk answers so many questions at once, refuses the others, and ends what it has begun', async () => {
  const doors: (() => void)[] = [];
  const desk = openDesk(bus, {
    subject: 'question',
    queue: 'desks',
    most: 2,
    answer: async (message) => {
      await new Promise<void>((open) => doors.push(open));
      message.respond('answered');
    },
    refuse: (message) => void message.respond('refused'),
  });
  const ask = async () => (await bus.nc.request('question', '', { timeout: 5_000 })).string();
  const taken = [ask(), ask()];
  expect(await ask()).toBe('refused');
  expect(desk.open).toBe(2);
  const stopped = desk.stop();
  for (const open of doors) open();
  await stopped;
  expect(await Promise.all(taken)).toEqual(['answered', 'answered']);
  await expect(ask()).rejects.toThrow(errors.RequestError);
  expect(told).toEqual([]);
});

test('a question that cannot be answered is told, and makes room for another', async () => {
  const desk = openDesk(bus, {
    subject: 'doubtful',
    queue: 'desks',
    most: 1,
    answer: (message) => Promise.reject(new Error(message.string())),
    refuse: (message) => void message.respond('refused'),
  });
  for (const reason of ['first', 'second']) bus.nc.publish('doubtful', reason);
  await expect.poll(() => desk.open).toBe(0);
  await bus.nc.flush();
  bus.nc.publish('doubtful', 'third');
  await bus.nc.flush();
  await expect.poll(() => told.map(({ err }) => (err as Error).message)).toContain('third');
  await desk.stop();
});

test('a subscription that the server does not permit is told of', async () => {
  const denied = { user: 'limited', password: 'limited', permissions: { subscribe: { deny: ['denied.>'] } } };
  const port = await freePort();
  const config = join(dir, 'denying.conf');
  await writeFile(
    config,
    `host: 127.0.0.1\nport: ${port}\nauthorization: ${JSON.stringify({ users: [denied] })}\nno_auth_user: limited\n`,
  );
  const { path } = await findNatsServer({ log: () => undefined });
  const server = spawn(path, ['--config', config], { stdio: 'ignore' });
  const limited = await connectBus({ url: `nats://127.0.0.1:${port}`, name: 'limited', log });
  try {
    const desk = openDesk(limited, {
      subject: 'denied.desk',
      queue: 'desks',
      most: 1,
      answer: async () => undefined,
      refuse: () => undefined,
    });
    await limited.nc.flush();
    const err = expect.any(errors.PermissionViolationError);
    expect(told).toEqual([{ err, subject: 'denied.desk', text: 'nothing is heard on a subject any more' }]);
    await desk.stop();
  } finally {
    await limited.close();
    const ended = once(server, 'exit');
    server.kill();
    await ended;
  }
});

test('without a log the process is warned', async () => {
  const silent = await connectBus({ url: nats.url, name: 'silent' });
  subscribe(silent, 'warned', () => {
    throw new TypeError('a fault');
  });
  const warned = once(process, 'warning');
  silent.nc.publish('warned');
  const [warning] = (await warned) as [Error & { detail: string }];
  expect(warning).toMatchObject({ name: 'BusWarning', message: 'a message could not be handled (warned)' });
  expect(warning.detail).toContain('TypeError: a fault');
  await silent.close();
});
