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
import { type Recorder, startRecorder } from './recorder.ts';
import { type ConnectOptions, WebSocketClient } from './websocket-client.ts';

const MISSING = 'resp_openresponses_missing_123';
const OTHER_KEY = 'sk-other-0123456789abcdef';
const ASK = { type: 'function', name: 'ask', parameters: { type: 'object' } };
const says = (content: string) => ({ type: 'message', role: 'user', content });

let stack: TestStack;
let recorder: Recorder;
const clients = new Set<WebSocketClient>();

beforeAll(async () => {
  recorder = await startRecorder();
  const upstreams = [{ base_url: `${recorder.url}/v1`, api_key: 'sk-upstream', model: 'upstream-name' }];
  stack = await testStack({
    replicas: { gateway: 2 },
    env: { BODY_LIMIT_BYTES: '1000000', WS_MEMORY_BYTES: '100000', MAX_OPEN_REQUESTS: '50' },
    config: {
      keys: [{ name: 'other', key: OTHER_KEY, groups: ['everyone'] }],
      models: [{ name: 'recorded', groups: ['everyone'], upstreams }],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
});
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

/** What the model was told in the last call that contains `marker`. */
function told(marker: string): unknown[][] {
  const { messages } = recorder.chats(marker).at(-1) ?? { messages: [] };
  return messages.map(({ role, content }) => [role, content]);
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
    const client = await connect({ checks: null, headers: { 'tailrace-event-names': 'openai' } });
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

describe('going on from a response that is not stored', () => {
  test('two turns with store: false', async () => {
    const client = await connect();
    for (const text of ['one', 'two']) {
      const { response } = await client.ask({ input: script(`!say ${text}`).text, store: false });
      expect(response).toMatchObject({ status: 'completed', store: false });
    }
  });

  test('works on the connection that made it: the model is told everything', async () => {
    const client = await connect();
    const [first, second, third] = [script('!say Noted.'), script('!say Yes.'), script('!say Bye.')];
    const shared = { model: 'recorded', store: false };
    const one = await client.ask({ ...shared, input: first.text });
    const two = await client.ask({ ...shared, input: [says(second.text)], previous_response_id: one.response.id });
    expect(two.response.previous_response_id).toBe(one.response.id);
    await client.ask({ ...shared, input: third.text, previous_response_id: two.response.id });
    expect(told(third.marker)).toEqual([
      ['user', first.text],
      ['assistant', 'Noted.'],
      ['user', second.text],
      ['assistant', 'Yes.'],
      ['user', third.text],
    ]);
  });

  test('works for one that goes on from a stored one, and the other way round', async () => {
    const client = await connect();
    const [first, second, third, last] = [script('!say A.'), script('!say B.'), script('!say C.'), script('!say D.')];
    const one = await client.ask({ model: 'recorded', input: first.text });
    const ask = async (input: string, previous: string, store: boolean) =>
      (await client.ask({ model: 'recorded', input, previous_response_id: previous, store })).response.id;
    const two = await ask(second.text, one.response.id, false);
    const three = await ask(third.text, two, true);
    const four = await (await connect({ gateway: 1 })).ask({
      model: 'recorded',
      input: last.text,
      previous_response_id: three,
    });
    expect(four.response.status).toBe('completed');
    expect(told(last.marker).map(([, content]) => content)).toEqual([
      first.text,
      'A.',
      second.text,
      'B.',
      third.text,
      'C.',
      last.text,
    ]);
  });

  test('with the outputs of the client’s calls', async () => {
    const client = await connect();
    const { text, marker } = script('!call ask {"q":1}', '!turn', '!say Done.');
    const shared = { model: 'recorded', store: false, tools: [ASK] };
    const one = await client.ask({ ...shared, input: text });
    const call = one.response.output.find((item) => item.type === 'function_call');
    if (call?.type !== 'function_call') throw new Error('there is no call');
    const output = { type: 'function_call_output', call_id: call.call_id, output: '42' };
    const two = await client.ask({ ...shared, input: [output], previous_response_id: one.response.id });
    expect(wordsOf(two.events)).toBe('Done.');
    expect(told(marker).map(([role]) => role)).toEqual(['user', 'assistant', 'tool']);
  });

  test('with calls that the server has run', async () => {
    const client = await connect();
    const { text } = script('!call get_time {"city":"Oslo","_ms":10}', '!turn', '!say Late.');
    const one = await client.ask({ input: text, store: false });
    expect(one.response.output.map((item) => item.type)).toEqual(['function_call', 'function_call_output', 'message']);
    const next = script('!say Later.').text;
    const two = await client.ask({ input: next, store: false, previous_response_id: one.response.id });
    expect(wordsOf(two.events)).toBe('Later.');
  });

  test('is previous_response_not_found after a reconnect; a fresh turn works then', async () => {
    const client = await connect();
    const { response } = await client.ask({ input: script('!say Noted.').text, store: false });
    await client.close();
    const again = await connect();
    const previous = { previous_response_id: response.id, store: false };
    const error = await again.refused({ ...previous, input: [says('And now?')] });
    expect(error).toMatchObject({
      status: 400,
      error: { code: 'previous_response_not_found', param: 'previous_response_id' },
    });
    expect((await again.ask({ input: script('!say Fresh.').text, store: false })).response.status).toBe('completed');
  });

  test('is previous_response_not_found for an id that there never was', async () => {
    const client = await connect();
    const error = await client.refused({ input: [says('Hi')], previous_response_id: MISSING, store: false });
    expect(error).toMatchObject({ status: 400, error: { code: 'previous_response_not_found' } });
    expect(error.error.message).toContain(MISSING);
  });

  test('fails with an output for a call that there is not; then the id is gone', async () => {
    const client = await connect();
    const { response } = await client.ask({ input: script('!say Noted.').text, store: false });
    const shared = { previous_response_id: response.id, store: false };
    const output = { type: 'function_call_output', call_id: 'call_missing', output: 'nothing' };
    const failed = await client.refused({ ...shared, input: [output] });
    expect(failed).toMatchObject({ status: 400, error: { code: 'unknown_call_id', param: 'input' } });
    const gone = await client.refused({ ...shared, input: [says('And now?')] });
    expect(gone).toMatchObject({ status: 400, error: { code: 'previous_response_not_found' } });
  });

  test('that fails takes the id with it', async () => {
    const client = await connect();
    const { response } = await client.ask({ input: script('!say Noted.').text, store: false });
    const shared = { previous_response_id: response.id, store: false };
    const failed = await client.ask({ ...shared, input: script('!error 400 no').text });
    expect(failed.response.status).toBe('failed');
    const gone = await client.refused({ ...shared, input: [says('And now?')] });
    expect(gone).toMatchObject({ error: { code: 'previous_response_not_found' } });
  });

  test('is over when its conversation is larger than what is remembered', async () => {
    const client = await connect();
    const large = await client.ask({ input: `${script('!say Noted.').text}\n${'x'.repeat(100_000)}`, store: false });
    const gone = await client.refused({ input: 'And?', previous_response_id: large.response.id, store: false });
    expect(gone).toMatchObject({ error: { code: 'previous_response_not_found' } });
  });

  test('is nobody else’s', async () => {
    const client = await connect();
    const { response } = await client.ask({ input: script('!say Noted.').text, store: false });
    const other = await connect({ apiKey: OTHER_KEY });
    const error = await other.refused({ input: 'And?', previous_response_id: response.id, store: false });
    expect(error).toMatchObject({ error: { code: 'previous_response_not_found' } });
    // Theirs goes on.
    const { text } = script('!say Still here.');
    const next = await client.ask({ input: text, previous_response_id: response.id, store: false });
    expect(wordsOf(next.events)).toBe('Still here.');
  });

  test('a stored one is gone on from wherever it was made', async () => {
    const answer = await stack.fetch('/v1/responses', {
      method: 'POST',
      body: JSON.stringify({ model: 'recorded', input: script('!say Over HTTP.').text }),
    });
    const { id } = (await answer.json()) as { id: string };
    const client = await connect({ gateway: 1 });
    const { text, marker } = script('!say Over the socket.');
    await client.ask({ model: 'recorded', input: text, previous_response_id: id });
    expect(told(marker).map(([, content]) => content)).toEqual([expect.anything(), 'Over HTTP.', text]);
  });
});

test('what was compacted over HTTP is gone on from', async () => {
  const answer = await stack.fetch('/v1/responses/compact', {
    method: 'POST',
    body: JSON.stringify({ model: 'demo', input: [says('My favourite colour is cobalt.')] }),
  });
  expect(answer.status).toBe(200);
  const { output } = (await answer.json()) as { output: unknown[] };
  const client = await connect();
  const input = [...output, says(script('!say Cobalt.').text)];
  const { events, response } = await client.ask({ input, store: false, tools: [] });
  expect(wordsOf(events)).toBe('Cobalt.');
  expect(response.status).toBe('completed');
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
    const full = await fetch(`${stack.gateways[1]}/v1/models`, { headers });
    expect(full.status).toBe(503);
    await expect(connect({ gateway: 1 })).rejects.toThrow('503');
    await all[0]?.leave();
    await eventually('there is room', async () => {
      return (await fetch(`${stack.gateways[1]}/v1/models`, { headers })).status === 200;
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
