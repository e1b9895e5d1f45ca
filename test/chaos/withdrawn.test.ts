/** A 503 says that there is nothing: neither a crash nor a gateway that stops leaves something running behind it. */
import { mkdtempSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHAIN_STREAM, connectBus } from '@tailrace/bus';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const armory = mkdtempSync(join(tmpdir(), 'tailrace-crash-'));
let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    replicas: { gateway: 2 },
    restart: true,
    env: { CRASH_DIR: armory, ACK_WAIT_MS: '1500', ACCEPT_TIMEOUT_MS: '1500', DRAIN_MS: '500' },
    envFor: (role, index) => (role === 'gateway' && index === 1 ? { ACCEPT_TIMEOUT_MS: '20000' } : {}),
  });
});
afterAll(async () => {
  await stack.stop();
  await rm(armory, { recursive: true, force: true });
});

const ask = (input: string, { gateway = 0, headers = {} } = {}) =>
  stack.fetch('/v1/responses', { method: 'POST', body: JSON.stringify({ model: 'demo', input }), headers, gateway });

async function statusesOf(marker: string): Promise<string[]> {
  const { rows } = await stack.database.query<{ status: string }>(
    'SELECT status FROM responses WHERE request::text LIKE $1',
    [`%${marker}%`],
  );
  return rows.map(({ status }) => status);
}

/** How many messages to the orchestrators have not been dealt with. */
async function chainMessages(): Promise<number> {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  const { state } = await bus.jsm.streams.info(CHAIN_STREAM);
  await bus.close();
  return state.messages;
}

async function dealtWith(): Promise<void> {
  await eventually('all messages are dealt with', async () => (await chainMessages()) === 0);
}

async function crashAfterCommit(): Promise<void> {
  await stack.ready('orchestrator', 0);
  await writeFile(join(armory, 'after-create-commit'), '');
}

test('a crash after the commit', async () => {
  await crashAfterCommit();
  const { text, marker } = script('!text 3');
  expect((await ask(text)).status).toBe(503);
  await dealtWith();
  await eventually('nothing is left', async () => (await statusesOf(marker)).length === 0);
  expect(await callsWith(stack, marker)).toEqual([]);
});

test('a crash after the commit of a request with an Idempotency-Key: it is found by it', async () => {
  await crashAfterCommit();
  const { text, marker } = script('!text 3');
  const headers = { 'idempotency-key': crypto.randomUUID() };
  expect((await ask(text, { headers })).status).toBe(503);
  await stack.ready('orchestrator', 0);
  const again = await ask(text, { headers });
  expect(again.status).toBe(200);
  expect(await again.json()).toMatchObject({ status: 'completed' });
  expect(await statusesOf(marker)).toEqual(['completed']);
});

test('a gateway that stops before anybody has answered it', async () => {
  await stack.ready('orchestrator', 0);
  await dealtWith();
  await stack.kill('orchestrator', 0, 'SIGSTOP');
  const { text, marker } = script('!text 3');
  const answer = ask(text, { gateway: 1 });
  await eventually('it is asked for', async () => (await chainMessages()) === 1);
  await stack.kill('gateway', 1, 'SIGTERM');
  expect((await answer).status).toBe(503);
  await stack.kill('orchestrator', 0, 'SIGCONT');
  await dealtWith();
  expect(await statusesOf(marker)).toEqual([]);
  expect(await callsWith(stack, marker)).toEqual([]);
  expect(await readFile(join(stack.dataDir, 'logs', 'gateway-1.log'), 'utf8')).not.toContain('took too long');
});

test('a gateway that stops before the end', async () => {
  await Promise.all([stack.ready('orchestrator', 0), stack.ready('gateway', 1)]);
  const { text, marker } = script('!text 3000 20');
  const keyed = script('!text 20 200');
  const headers = { 'idempotency-key': crypto.randomUUID() };
  const answers = [ask(text, { gateway: 1 }), ask(keyed.text, { gateway: 1, headers })];
  await eventually('both run', async () => {
    return (await Promise.all([marker, keyed.marker].map((each) => statusesOf(each)))).flat().length === 2;
  });
  await stack.kill('gateway', 1, 'SIGTERM');
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([503, 503]);
  await dealtWith();
  await eventually('nothing is left', async () => (await statusesOf(marker)).length === 0);
  const found = await ask(keyed.text, { headers });
  expect(await found.json()).toMatchObject({ status: 'completed' });
});
