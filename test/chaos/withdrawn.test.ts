/** A 503 says that there is nothing: neither a crash nor a gateway that stops leaves something running behind it. */
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
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

/** Every message to the orchestrators has been dealt with. */
async function dealtWith(): Promise<void> {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  await eventually('all messages are dealt with', async () => {
    return (await bus.jsm.streams.info(CHAIN_STREAM)).state.messages === 0;
  });
  await bus.close();
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

test('a gateway that stops before the end', async () => {
  await stack.ready('orchestrator', 0);
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
