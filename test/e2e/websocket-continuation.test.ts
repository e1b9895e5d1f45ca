/** Going on over a WebSocket, above all from what nobody stores. */
import type { ResponseEvent } from '@tailrace/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
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
    env: { WS_MEMORY_BYTES: '100000' },
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
