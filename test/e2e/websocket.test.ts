/** `response.create` over a WebSocket at `/v1/responses`. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { foldEvents, type ResponseEvent } from '@tailrace/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { type ConnectOptions, WebSocketClient } from './websocket-client.ts';

let stack: TestStack;
const clients = new Set<WebSocketClient>();

beforeAll(async () => {
  stack = await testStack({
    replicas: { gateway: 2 },
    env: { BODY_LIMIT_BYTES: '1000000', MAX_OPEN_REQUESTS: '50' },
  });
});
afterAll(() => stack.stop());
afterEach(async () => {
  for (const client of clients) await client.leave();
  clients.clear();
});

async function connect(options: Partial<ConnectOptions> & { gateway?: number } = {}): Promise<WebSocketClient> {
  const { gateway = 0, ...others } = options;
  const url = stack.gateways[gateway] ?? '';
  const client = await WebSocketClient.open({ url, apiKey: stack.apiKey, checks: stack.checks, ...others });
  clients.add(client);
  return client;
}

function wordsOf(events: readonly ResponseEvent[]): string {
  return events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])).join('');
}

describe('a turn', () => {
  test('is the stream that HTTP would have told, one message for each event, and no [DONE]', async () => {
    const client = await connect();
    const { text } = script('!reasoning 3 2', '!call get_time {"city":"Oslo","_ms":10}', '!turn', '!text 10 2');
    const { texts, events, response } = await client.ask({ input: text });
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    expect(foldEvents(events)).toEqual(response);
    expect(response.status).toBe('completed');
    const { frames } = await readFrames(await stack.fetch(`/v1/responses/${response.id}?stream=true`, { gateway: 1 }));
    expect(texts).toEqual(frames.map((frame) => frame.slice(frame.indexOf('\ndata: ') + 7)));
    expect(await (await stack.fetch(`/v1/responses/${response.id}`)).json()).toEqual(response);
    // The next message belongs to the next turn: nothing has followed the end.
    const second = await client.ask({ input: script('!say Again.').text });
    expect(second.events[0]?.type).toBe('response.created');
  });

  test('tells the names that OpenAI’s clients know to those who ask for them when they connect', async () => {
    const client = await connect({ isJudged: false, headers: { 'tailrace-event-names': 'openai' } });
    const { events } = await client.ask({ input: script('!reasoning 2', '!say So.').text });
    const names = events.map((event): string => event.type).filter((name) => name.includes('reasoning'));
    expect(names).toEqual([
      'response.reasoning_text.delta',
      'response.reasoning_text.delta',
      'response.reasoning_text.done',
    ]);
  });

  test('that fails ends with response.failed, and the connection goes on', async () => {
    const client = await connect();
    const { events, response } = await client.ask({ input: script('!error 400 no').text });
    expect(response).toMatchObject({ status: 'failed', error: { code: 'upstream_error' } });
    // The error event of the log is not told: it would be taken for a request that came to nothing.
    expect(events.map((event): string => event.type)).not.toContain('error');
    expect(events.at(-1)?.sequence_number).toBe(events.length);
    expect((await client.ask({ input: script('!say Fine.').text })).response.status).toBe('completed');
  });

  test('waits for the turn before it; they answer in their order', async () => {
    const client = await connect();
    const asked = [1, 2, 3].map((turn) => script(`!say Turn ${turn}.`, '!text 5 5'));
    for (const { text } of asked) client.create({ input: text });
    const turns = [await client.turn(), await client.turn(), await client.turn()];
    expect(turns.map(({ events }) => wordsOf(events))).toEqual([1, 2, 3].map((turn) => `Turn ${turn}.w1 w2 w3 w4 w5 `));
    const [first, second] = turns;
    const ended = Math.max(...(await callsWith(stack, asked[0]?.marker ?? '')).map((call) => call.closed_at ?? 0));
    const [next] = await callsWith(stack, asked[1]?.marker ?? '');
    expect(next?.at).toBeGreaterThanOrEqual(ended);
    expect(first?.response.id).not.toBe(second?.response.id);
  });

  test('more than sixteen that wait are refused; the others are not touched', async () => {
    const client = await connect();
    client.create({ input: script('!text 3 100').text });
    for (let turn = 0; turn < 17; turn += 1) client.create({ input: script('!say So.').text });
    const errors: unknown[] = [];
    let ended = 0;
    while (ended < 17) {
      const message = await client.message();
      if (message.type === 'error') errors.push(message);
      if (message.type === 'response.completed') ended += 1;
    }
    expect(errors).toMatchObject([{ status: 503, error: { code: 'overloaded', type: 'server_error', param: null } }]);
  });
});

describe('what is not accepted is told, and the connection stays open', () => {
  test.each([
    ['no JSON', '{"type":', 'invalid_json', null],
    ['a key twice', '{"type":"response.create","type":"response.create"}', 'invalid_json', null],
    ['too deep', `${'['.repeat(5_000)}${']'.repeat(5_000)}`, 'invalid_json', null],
    ['no object', '[1]', 'invalid_value', null],
    ['an unknown type', '{"type":"response.cancel"}', 'invalid_value', 'type'],
    ['no type', '{"model":"demo","input":"Hi"}', 'missing_required_parameter', 'type'],
    ['no input', '{"type":"response.create","model":"demo"}', 'missing_required_parameter', 'input'],
    ['what only HTTP has', '{"type":"response.create","model":"demo","stream":true}', 'unknown_parameter', 'stream'],
    [
      'the background',
      '{"type":"response.create","model":"demo","background":true}',
      'unknown_parameter',
      'background',
    ],
  ])('%s', async (_what, text, code, param) => {
    const client = await connect();
    client.socket.send(text);
    const error = await client.error();
    expect(error).toMatchObject({ type: 'error', status: 400, error: { type: 'invalid_request_error', code, param } });
    expect((await client.ask({ input: script('!say Here.').text })).response.status).toBe('completed');
  });

  test('a binary message', async () => {
    const client = await connect();
    client.socket.send(Buffer.from('{"type":"response.create","model":"demo","input":"Hi"}'));
    expect(await client.error()).toMatchObject({ status: 400, error: { code: 'invalid_json' } });
    expect((await client.ask({ input: script('!say Here.').text })).response.status).toBe('completed');
  });

  test('a model that there is not', async () => {
    const client = await connect();
    const error = await client.refused({ model: 'none', input: 'Hi' });
    expect(error).toMatchObject({ status: 404, error: { code: 'model_not_found', param: 'model' } });
  });

  test('a message larger than a body may be ends the connection', async () => {
    const client = await connect();
    client.create({ input: 'x'.repeat(1_000_001) });
    expect(await client.closed).toBe(1009);
  });
});

describe('the upgrade', () => {
  async function upgrade(headers: Record<string, string>, path = '/v1/responses'): Promise<IncomingMessage> {
    const sent = request(new URL(path, stack.gateways[0]), {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': Buffer.from('0123456789abcdef').toString('base64'),
        ...headers,
      },
    });
    sent.end();
    return ((await once(sent, 'response')) as [IncomingMessage])[0];
  }

  async function bodyOf(answer: IncomingMessage): Promise<unknown> {
    const parts: Buffer[] = [];
    for await (const part of answer) parts.push(part as Buffer);
    return JSON.parse(Buffer.concat(parts).toString());
  }

  test.each([
    ['without a key', {}, 'missing_api_key'],
    ['with a wrong key', { authorization: 'Bearer sk-wrong' }, 'invalid_api_key'],
  ])('%s is refused as a request would be', async (_how, headers, code) => {
    const answer = await upgrade(headers);
    expect(answer.statusCode).toBe(401);
    expect(answer.headers['x-request-id']).toMatch(/./);
    expect(await bodyOf(answer)).toMatchObject({ error: { type: 'authentication_error', code } });
  });

  test('of another path is a request like any', async () => {
    const answer = await upgrade({ authorization: `Bearer ${stack.apiKey}` }, '/v1/models');
    expect(answer.statusCode).toBe(200);
    expect(await bodyOf(answer)).toMatchObject({ object: 'list' });
  });

  test('is what GET is for: without it there is no such method', async () => {
    const answer = await stack.fetch('/v1/responses');
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('POST');
    expect(await answer.json()).toMatchObject({ error: { code: 'method_not_allowed' } });
  });

  test('of as many as there may be, and no more; one that has gone makes room', async () => {
    const all: WebSocketClient[] = [];
    for (let count = 0; count < 50; count += 1) all.push(await connect({ gateway: 1 }));
    const headers = { authorization: `Bearer ${stack.apiKey}` };
    const full = await stack.validatingFetch(`${stack.gateways[1]}/v1/models`, { headers });
    expect(full.status).toBe(503);
    await expect(connect({ gateway: 1 })).rejects.toThrow('503');
    await all[0]?.leave();
    await eventually('there is room', async () => {
      return (await stack.validatingFetch(`${stack.gateways[1]}/v1/models`, { headers })).status === 200;
    });
  });
});

test('a client that reads slowly gets everything, when it wants it', async () => {
  const client = await connect({ gateway: 1 });
  const { text } = script('!text 20000');
  client.create({ input: text });
  await client.message();
  client.socket.pause();
  const id = await eventually('the response has ended', async () => {
    const { rows } = await stack.database.query<{ id: string }>(
      "SELECT id FROM responses WHERE status = 'completed' AND request::text LIKE '%!text 20000%'",
    );
    return rows[0]?.id;
  });
  client.socket.resume();
  const { events, response } = await client.turn();
  expect(uuidOf(response.id)).toBe(id);
  expect(events.filter((event) => event.type === 'response.output_text.delta')).toHaveLength(20_000);
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index + 1));
});
