/** Wall clocks that are wrong by an hour, of one process each: nothing is refused, ended or removed for it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHAIN_STREAM, connectBus } from '@tailrace/bus';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { Clocks } from './machine/faults/clocks.ts';

const HOUR_MS = 3_600_000;
const BEHIND = 1;
const AHEAD = 2;

let dir: string;
let stack: TestStack;
let clocks: Clocks;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-clocks-'));
  clocks = new Clocks(dir);
  await clocks.set(`gateway ${BEHIND}`, -HOUR_MS);
  await clocks.set(`gateway ${AHEAD}`, HOUR_MS);
  stack = await testStack({
    replicas: { gateway: 3 },
    env: { ACCEPT_TIMEOUT_MS: '3000', TIDY_EVERY_MS: '100', RESPONSE_DEADLINE: '30m', UNSTORED_RETENTION: '30m' },
    envFor: (role, index) => clocks.envFor(`${role} ${index}`),
  });
});
afterAll(async () => {
  await stack.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Sets the orchestrator's clock, and sees it in what it records. */
async function setOrchestrator(offsetMs: number): Promise<void> {
  await clocks.set('orchestrator 0', offsetMs);
  await eventually('the orchestrator has another time', async () => {
    const { completed_at } = await stack.openai().responses.create({ model: 'demo', input: script('!text 1').text });
    return Math.abs((completed_at ?? 0) * 1_000 - Date.now() - offsetMs) < HOUR_MS / 2;
  });
}

/** Sees the orchestrator remove something that is overdue: it has looked, and what it was to spare it has spared. */
async function tidied(): Promise<void> {
  const { id } = await stack.openai().responses.create({ model: 'demo', input: script('!text 1').text });
  await stack.database.query(`UPDATE responses SET purge_at = now() - interval '1 second' WHERE id = $1`, [uuidOf(id)]);
  await eventually('a round of the janitor', async () => {
    const { rowCount } = await stack.database.query('SELECT id FROM responses WHERE id = $1', [uuidOf(id)]);
    return rowCount === 0;
  });
}

test.each([
  ['right', 0],
  ['an hour behind', BEHIND],
  ['an hour ahead', AHEAD],
])('a gateway whose clock is %s creates responses and changes conversations', async (_, gateway) => {
  const { text } = script('!call get_time {"city":"Rome","_ms":100}', '!turn', '!text 5');
  const stream = await follow(stack, text, { gateway });
  expect((await expectWhole(stack, stream)).status).toBe('completed');
  const openai = stack.openai(gateway);
  const { id } = await openai.conversations.create({ metadata: { topic: 'clocks' } });
  expect((await openai.conversations.retrieve(id)).metadata).toEqual({ topic: 'clocks' });
});

test('what a gateway has refused is not done later, whatever its clock says', async () => {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  const waiting = async () => (await bus.jsm.streams.info(CHAIN_STREAM)).state.messages;
  const { text, marker } = script('!text 1');
  await stack.kill('orchestrator', 0);
  const body = JSON.stringify({ model: 'demo', input: text });
  const refused = await stack.fetch('/v1/responses', { method: 'POST', body, gateway: AHEAD });
  expect(refused.status).toBe(503);
  expect(await waiting()).toBeGreaterThan(0);
  await stack.start('orchestrator', 0);
  await eventually('the request has been dealt with', async () => (await waiting()) === 0);
  const { rows } = await stack.database.query('SELECT id FROM responses WHERE request::text LIKE $1', [`%${marker}%`]);
  expect(rows).toEqual([]);
  await bus.close();
});

test.each([
  ['behind', -HOUR_MS],
  ['ahead', HOUR_MS],
])(
  'an orchestrator whose clock is an hour %s ends no response before its time, and removes none',
  async (_, offset) => {
    await setOrchestrator(offset);
    const body = { background: true, store: false };
    const create = (input: string) => stack.openai().responses.create({ model: 'demo', input, ...body });
    const city = `city-${crypto.randomUUID()}`;
    const running = await create(script(`!call get_time {"city":"${city}","_ms":2500}`, '!turn', '!text 5').text);
    const ended = await create(script('!text 5').text);
    const statusOf = async (id: string) => (await stack.openai().responses.retrieve(id)).status;
    await eventually('it has ended', async () => (await statusOf(ended.id)) === 'completed');
    await eventually('its tool runs', async () =>
      (await callsWith(stack, `"${city}"`)).some(({ kind }) => kind === 'tool'),
    );
    await tidied();
    await setOrchestrator(0);
    await tidied();
    await tidied();
    expect(await statusOf(ended.id)).toBe('completed');
    await eventually('the other one has ended', async () => (await statusOf(running.id)) !== 'in_progress');
    expect(await statusOf(running.id)).toBe('completed');
  },
);
