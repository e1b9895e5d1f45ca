import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OTHER_KEY = 'tr-other-0123456789abcdef';

interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

const received: Received[] = [];
/** Paths that answer 500 to the first request. */
const stumbled = new Set<string>();
let receiver: Server;
let stack: TestStack;
let client: OpenAI;

beforeAll(async () => {
  receiver = createServer(async (request, response) => {
    const path = request.url ?? '';
    received.push({ path, headers: request.headers, body: await text(request) });
    const fails = path === '/stumbles' && !stumbled.has(path);
    if (fails) stumbled.add(path);
    response.writeHead(fails ? 500 : 200).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  stack = await testStack({
    replicas: { orchestrator: 2 },
    env: { WEBHOOK_EVERY_MS: '50', WEBHOOK_RETRY_FIRST: '1s' },
    config: {
      keys: [{ name: 'other', key: OTHER_KEY, groups: ['everyone'] }],
      webhooks: [
        { name: 'all', url: `${url}/all`, secret: SECRET },
        { name: 'stumbles', url: `${url}/stumbles`, secret: SECRET, events: ['response.completed'] },
        { name: 'others', url: `${url}/others`, secret: SECRET, owners: ['other'] },
      ],
    },
  });
  client = stack.openai();
});
afterAll(async () => {
  await stack.stop();
  receiver.closeAllConnections();
  receiver.close();
});

/** What came to a path about a response, its signature verified by the official client. */
async function eventsOf(path: string, response: string) {
  const events = await Promise.all(
    received
      .filter((each) => each.path === path)
      .map(async ({ body, headers }) => {
        const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
        return { id: flat['webhook-id'], event: await client.webhooks.unwrap(body, flat, SECRET) };
      }),
  );
  return events.filter(({ event }) => 'data' in event && 'id' in event.data && event.data.id === response);
}

function someEvents(path: string, response: string, count = 1) {
  return eventually(`${path} is told of ${response}`, async () => {
    const events = await eventsOf(path, response);
    return events.length >= count && events;
  });
}

async function deliveriesOf(response: string, key = stack.apiKey) {
  const answer = await stack.fetch(`/v1/webhook_deliveries?response_id=${response}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as { data: Record<string, unknown>[]; has_more: boolean };
}

test('a background response that completes is told, again after a failure, and its deliveries are on record', async () => {
  const { id } = await client.responses.create({ model: 'demo', input: script('!text 3').text, background: true });
  const [told] = await someEvents('/all', id);
  expect(told?.event).toMatchObject({ object: 'event', type: 'response.completed', data: { id } });
  expect(told?.event.id).toBe(told?.id);
  expect((await client.responses.retrieve(id)).status).toBe('completed');

  const [first, second] = await someEvents('/stumbles', id, 2);
  expect(second).toEqual(first);
  expect(first?.id).not.toBe(told?.id);

  const list = await eventually('both are delivered', async () => {
    const { data } = await deliveriesOf(id);
    return data.every(({ state }) => state === 'delivered') && data;
  });
  const common = { object: 'webhook.delivery', response_id: id, type: 'response.completed', last_status: 200 };
  expect(list.toSorted((a, b) => String(a.webhook).localeCompare(String(b.webhook)))).toMatchObject([
    { ...common, id: told?.id, webhook: 'all', attempts: 1 },
    { ...common, id: first?.id, webhook: 'stumbles', attempts: 2 },
  ]);
  expect(await deliveriesOf(id, OTHER_KEY)).toMatchObject({ data: [], has_more: false });
  expect(await eventsOf('/others', id)).toEqual([]);
});

test('a background response that is cancelled is told as such', async () => {
  const { id } = await client.responses.create({
    model: 'demo',
    input: script('!text 1000 100').text,
    background: true,
  });
  await client.responses.cancel(id);
  const [told] = await someEvents('/all', id);
  expect(told?.event).toMatchObject({ type: 'response.cancelled', data: { id } });
  const { data } = await deliveriesOf(id);
  // Only the webhook that asks for this event has one.
  expect(data).toMatchObject([{ webhook: 'all', type: 'response.cancelled' }]);
});

test('a background response that fails is told as such', async () => {
  const { id } = await client.responses.create({
    model: 'demo',
    input: script('!error 400 this model refuses').text,
    background: true,
  });
  const [told] = await someEvents('/all', id);
  expect(told?.event).toMatchObject({ type: 'response.failed', data: { id } });
});

test('a response that its client waits for is told to nobody', async () => {
  const { id, status } = await client.responses.create({ model: 'demo', input: script('!text 3').text });
  expect(status).toBe('completed');
  expect((await deliveriesOf(id)).data).toEqual([]);
});
