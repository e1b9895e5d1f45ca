/** Wall clocks that are wrong by an hour: what keys may use, what webhooks are told, and how long an agent may take stay what they are. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ask } from '../harness/agents.ts';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { Clocks } from './machine/faults/clocks.ts';

const HOUR_MS = 3_600_000;
const TIMEOUT_MS = 1_500;
/** What runs inside the agent would take so long. */
const LONG_MS = 20_000;
/** What one of them has counted another one goes on with. */
const ORCHESTRATORS = [0, 1];

const keyOf = (name: string) => `sk-${name}-0123456789abcdef`;
const key = (name: string, limits: Record<string, number>) => {
  return { name, key: keyOf(name), groups: ['everyone'], limits: { requests_per_minute: 1_000_000, ...limits } };
};
const OFFSETS = [
  ['behind', -HOUR_MS],
  ['ahead', HOUR_MS],
] as const;
const keys = OFFSETS.flatMap(([name]) => [
  key(`requests-${name}`, { requests_per_minute: 3 }),
  key(`tokens-${name}`, { tokens_per_minute: 200 }),
  key(`parallel-${name}`, { concurrency: 1 }),
]);

let dir: string;
let clocks: Clocks;
let stack: TestStack;
let receiver: Server;
/** When the webhook was told, by the monotonic clock, and what. */
const received: { at: number; id: string; body: string }[] = [];

beforeAll(async () => {
  receiver = createServer(async (request, response) => {
    const id = String(request.headers['webhook-id']);
    const isFirst = !received.some((each) => each.id === id);
    received.push({ at: performance.now(), id, body: await text(request) });
    response.writeHead(isFirst ? 500 : 200).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  dir = await mkdtemp(join(tmpdir(), 'tailrace-clocks-'));
  clocks = new Clocks(dir);
  const agent = { kind: 'agent', groups: ['everyone'], models: ['demo'], model: 'demo', instructions: 'Be brief.' };
  stack = await testStack({
    replicas: { gateway: 2, orchestrator: ORCHESTRATORS.length },
    env: { WEBHOOK_EVERY_MS: '50', WEBHOOK_RETRY_FIRST: '1s', AGENT_DEADLINE_CHECK_MS: '200' },
    envFor: (role, index) => clocks.envFor(`${role} ${index}`),
    config: {
      keys,
      tools: [{ ...agent, name: 'punctual', tools: ['get_weather'], timeout_ms: TIMEOUT_MS }],
      webhooks: [{ name: 'all', url, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }],
    },
  });
});
afterAll(async () => {
  await stack.stop();
  receiver.closeAllConnections();
  receiver.close();
  await rm(dir, { recursive: true, force: true });
});

function post(name: string, gateway: number, input = script('!text 2').text, more: Record<string, unknown> = {}) {
  const headers = { authorization: `Bearer ${keyOf(name)}` };
  const body = JSON.stringify({ model: 'demo', input, ...more });
  return stack.fetch('/v1/responses', { method: 'POST', gateway, headers, body });
}

/** Sets the clocks of these processes, and of one gateway; it is seen in what it tells. */
async function shift(by: number, processes: readonly string[]): Promise<void> {
  await Promise.all(['gateway 0', ...processes].map((process) => clocks.set(process, by)));
  await eventually('the clock is set', async () => {
    const { created_at } = await stack.openai(0).responses.create({ model: 'demo', input: script('!text 1').text });
    return Math.abs(created_at * 1_000 - Date.now() - by) < HOUR_MS / 2;
  });
}

describe.each(OFFSETS)('one of two orchestrators, and of two gateways, is an hour %s', (name, offset) => {
  beforeEach(() => shift(offset, ['orchestrator 0']));
  afterEach(() => shift(0, ['orchestrator 0']));

  test('a key has its requests in a minute, and no more', async () => {
    const statuses: number[] = [];
    for (let index = 0; index < 6; index += 1) {
      const answer = await post(`requests-${name}`, index % 2);
      statuses.push(answer.status);
      if (answer.status !== 429) continue;
      const after = Number(answer.headers.get('retry-after'));
      expect(after).toBeGreaterThan(0);
      expect(after).toBeLessThanOrEqual(60);
    }
    expect(statuses).toEqual([200, 200, 200, 429, 429, 429]);
  });

  test('a key has its tokens in a minute, and no more', async () => {
    const answers: Response[] = [];
    for (let index = 0; index < 8 && answers.at(-1)?.status !== 429; index += 1) {
      answers.push(await post(`tokens-${name}`, index % 2, script('!text 60').text));
    }
    const statuses = answers.map(({ status }) => status);
    expect(statuses.slice(0, -1)).toEqual(statuses.slice(0, -1).map(() => 200));
    expect(statuses.length, 'some were answered').toBeGreaterThan(1);
    const refused = answers.at(-1);
    expect(refused?.status).toBe(429);
    expect(Number(refused?.headers.get('retry-after'))).toBeLessThanOrEqual(60);
  });

  test('a key has one response at once, and the next one when that has ended', async () => {
    const first = await post(`parallel-${name}`, 0, script('!text 1000 20').text, { background: true });
    expect(first.status).toBe(200);
    const { id } = (await first.json()) as { id: string };
    expect((await post(`parallel-${name}`, 1)).status).toBe(429);
    expect((await post(`parallel-${name}`, 0)).status).toBe(429);
    const headers = { authorization: `Bearer ${keyOf(`parallel-${name}`)}` };
    const cancelled = await stack.fetch(`/v1/responses/${id}/cancel`, { method: 'POST', body: '{}', headers });
    expect(cancelled.status).toBe(200);
    await eventually('there is room again', async () => (await post(`parallel-${name}`, 1)).status === 200);
  });
});

describe.each(OFFSETS)('all orchestrators, and a gateway, are an hour %s', (_name, offset) => {
  const all = ORCHESTRATORS.map((index) => `orchestrator ${index}`);
  beforeEach(() => shift(offset, all));
  afterEach(() => shift(0, all));

  test('a webhook is told at once, and after its failure once more, at its time', async () => {
    const openai = stack.openai(0);
    const { id } = await openai.responses.create({ model: 'demo', input: script('!text 3').text, background: true });
    await eventually('it has ended', async () => (await openai.responses.retrieve(id)).status === 'completed');
    const ended = performance.now();
    const times = await eventually('it is told twice', async () => {
      const told = received.filter(({ body }) => body.includes(id)).map(({ at }) => at);
      return told.length >= 2 && told;
    });
    expect(times.length).toBe(2);
    const [first = 0, second = 0] = times;
    expect(first - ended).toBeLessThan(5_000);
    expect(second - first, 'not before its time').toBeGreaterThan(500);
    expect(second - first, 'nor long after').toBeLessThan(10_000);
  });

  test('an agent has its time, and no more', async () => {
    const city = `city-${crypto.randomUUID()}`;
    const inner = script(`!call get_weather {"city":"${city}","_ms":${LONG_MS}}`);
    const stream = await follow(stack, script(ask('punctual', inner), '!turn', '!say I see.').text);
    const response = await expectWhole(stack, stream);
    expect(response.status).toBe('completed');
    const output = response.output.find((item) => item.type === 'function_call_output');
    expect(JSON.parse(String(output?.output))).toMatchObject({ error: { code: 'tool_timeout' } });
    const call = await eventually('its tool is let go', async () => {
      return (await callsWith(stack, `"${city}"`)).find(({ kind, closed_at }) => kind === 'tool' && closed_at !== null);
    });
    const ran = (call.closed_at ?? 0) - call.at;
    expect(call.ended).toBe('aborted');
    expect(ran).toBeGreaterThan(TIMEOUT_MS / 3);
    expect(ran).toBeLessThan(TIMEOUT_MS + 5_000);
    const { rows } = await stack.database.query('SELECT 1 FROM response_steps WHERE response_id = $1', [
      uuidOf(response.id),
    ]);
    expect(rows.length, 'the model, the agent with a model and its tool, and the model').toBe(5);
  });

  test('a change that an operator wants is made', async () => {
    for (const gateway of [0, 1]) {
      const body = JSON.stringify({ kind: 'http', url: `${stack.demoModelUrl}/tools/get_time` });
      const path = `/admin/v1/tools/by_gateway_${gateway}`;
      const headers = { authorization: `Bearer ${stack.adminKey}` };
      expect([200, 201]).toContain((await stack.fetch(path, { method: 'PUT', gateway, headers, body })).status);
      const shown = await stack.fetch(path, { gateway, headers });
      expect(await shown.json()).toMatchObject({ name: `by_gateway_${gateway}` });
    }
  });
});
