/** How a WebSocket ends: by its client, by its time, by silence, or because its gateway stops. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { type ServiceProcess, startProcess } from './service-process.ts';
import { type ConnectOptions, WebSocketClient } from './websocket-client.ts';

const SECRET = 'a-secret-of-the-tests';
const LEAVER_KEY = 'sk-leaver-0123456789abcdef';
const CLEAN = { code: 0, signal: null };

let stack: TestStack;
const clients = new Set<WebSocketClient>();

beforeAll(async () => {
  stack = await testStack({
    replicas: { toolRunner: 0 },
    env: { TAILRACE_SECRET_KEY: SECRET, REGISTRY_CHECK_MS: '200' },
    config: { keys: [{ name: 'leaver', key: LEAVER_KEY, groups: ['everyone'] }] },
  });
});
afterAll(async () => {
  for (const client of clients) await client.leave();
  await stack.stop();
});

/** A gateway of the test's own, ready. */
async function gatewayWith(env: Record<string, string>): Promise<ServiceProcess> {
  const gateway = await startProcess('gateway', stack.checks, {
    NATS_URL: stack.natsUrl,
    DATABASE_URL: stack.databaseUrl,
    TAILRACE_SECRET_KEY: SECRET,
    ...env,
  });
  await eventually(
    'the gateway is ready',
    async () => (await stack.validatingFetch(`${gateway.url}/readyz`)).status === 200,
  );
  return gateway;
}

async function connect({ url }: ServiceProcess, options: Partial<ConnectOptions> = {}): Promise<WebSocketClient> {
  const client = await WebSocketClient.open({ url, apiKey: stack.apiKey, checks: stack.checks, ...options });
  clients.add(client);
  return client;
}

async function streamsOf({ url }: ServiceProcess): Promise<number> {
  const text = await (await stack.validatingFetch(`${url}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith('tailrace_gateway_streams '));
  return Number(line?.split(' ')[1]);
}

describe.concurrent('the time limit', () => {
  test('is told to an idle connection, which is closed', async () => {
    await using gateway = await gatewayWith({ WS_MAX_MS: '600' });
    const client = await connect(gateway);
    expect(await client.error()).toMatchObject({
      status: 400,
      error: { type: 'invalid_request_error', code: 'websocket_connection_limit_reached', param: null },
    });
    expect(await client.closed).toBe(1000);
  });

  test('waits for the end of the turn that runs; those behind it are told', async () => {
    await using gateway = await gatewayWith({ WS_MAX_MS: '600' });
    const client = await connect(gateway);
    const behind = script('!say Too late.');
    client.create({ input: script('!text 30 50').text });
    for (let turn = 0; turn < 2; turn += 1) client.create({ input: behind.text });
    expect((await client.turn()).response.status).toBe('completed');
    for (let turn = 0; turn < 2; turn += 1) {
      expect(await client.error()).toMatchObject({ error: { code: 'websocket_connection_limit_reached' } });
    }
    expect(await client.closed).toBe(1000);
    expect(await callsWith(stack, behind.marker)).toEqual([]);
  });
});

describe.concurrent('a client', () => {
  test('that shows no sign of life is given up; one that answers is not', async () => {
    await using gateway = await gatewayWith({ KEEP_ALIVE_MS: '300' });
    const alive = await connect(gateway);
    const pings: unknown[] = [];
    alive.socket.on('ping', (data) => pings.push(data));
    const dead = await connect(gateway, { autoPong: false });
    expect(await dead.closed).toBe(1006);
    await eventually('five looks have passed', async () => pings.length >= 5);
    expect((await alive.ask({ input: script('!say Here.').text })).response.status).toBe('completed');
  });

  test('that goes leaves nothing behind', async () => {
    await using gateway = await gatewayWith({});
    const client = await connect(gateway);
    expect(await streamsOf(gateway)).toBe(1);
    client.create({ input: script('!text 200 20').text });
    await client.message();
    await client.leave();
    await eventually('nothing is open', async () => (await streamsOf(gateway)) === 0);
  });

  test('whose key is taken back has no more turns', async () => {
    await using gateway = await gatewayWith({});
    const client = await connect(gateway, { apiKey: LEAVER_KEY });
    await client.ask({ input: script('!say So.').text });
    await stack.database.query("DELETE FROM registry_keys WHERE name = 'leaver'");
    await eventually('the key is not known any more', async () => {
      const headers = { authorization: `Bearer ${LEAVER_KEY}` };
      return (await stack.validatingFetch(`${gateway.url}/v1/models`, { headers })).status === 401;
    });
    const error = await client.refused({ input: 'And now?' });
    expect(error).toMatchObject({ status: 401, error: { type: 'authentication_error', code: 'invalid_api_key' } });
  });

  test('has no more turns than its key has requests', async () => {
    await using gateway = await gatewayWith({ KEY_REQUESTS_PER_MINUTE: '2' });
    const client = await connect(gateway);
    for (let turn = 0; turn < 2; turn += 1) await client.ask({ input: script('!say So.').text });
    const error = await client.refused({ input: 'And now?' });
    expect(error).toMatchObject({ status: 429, error: { type: 'too_many_requests', code: 'rate_limit_exceeded' } });
  });
});

describe('a gateway that stops', () => {
  test('closes what is idle at once, and lets a turn end', async () => {
    await using gateway = await gatewayWith({ DRAIN_MS: '20000' });
    const idle = await connect(gateway);
    const busy = await connect(gateway);
    busy.create({ input: script('!text 30 50').text });
    busy.create({ input: script('!say Not here.').text });
    await busy.message();
    gateway.signal('SIGTERM');
    expect(await idle.closed).toBe(1001);
    expect(busy.socket.readyState).toBe(busy.socket.OPEN);
    const { events, response } = await busy.turn();
    expect(response.status).toBe('completed');
    expect(events.filter((event) => event.type === 'response.output_text.delta')).toHaveLength(30);
    expect(await busy.error()).toMatchObject({ status: 503, error: { code: 'unavailable' } });
    expect(await busy.closed).toBe(1001);
    expect(await gateway.exited).toEqual(CLEAN);
  });

  test('cuts a turn that takes longer than it has: the response goes on', async () => {
    await using gateway = await gatewayWith({ DRAIN_MS: '400', DISCONNECT_CANCEL: 'always', DISCONNECT_GRACE_MS: '1' });
    const client = await connect(gateway);
    client.create({ input: script('!text 40 50').text });
    const created = await client.message();
    if (created.type !== 'response.created') throw new Error('the first event creates');
    gateway.signal('SIGTERM');
    expect(await client.closed).toBe(1001);
    expect(await gateway.exited).toEqual(CLEAN);
    const answer = await eventually('the response has ended', async () => {
      const response = await (await stack.fetch(`/v1/responses/${created.response.id}`)).json();
      return (response as { status: string }).status !== 'in_progress' && response;
    });
    expect(answer).toMatchObject({ status: 'completed' });
  });
});
