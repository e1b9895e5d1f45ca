/** Model servers that fail: what the client sees of it. */
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectWhole } from '../harness/invariants.ts';
import { type Script, script } from '../harness/scripts.ts';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { ANSWERS, type StrangeServers, startStrangeServers } from './strange-servers.ts';

const ATTEMPTS = 3;
const TIMEOUT_MS = 2_500;

let stack: TestStack;
let client: OpenAI;
let strange: StrangeServers;

beforeAll(async () => {
  strange = await startStrangeServers();
  stack = await testStack({
    env: {
      UPSTREAM_ATTEMPTS: String(ATTEMPTS),
      UPSTREAM_BACKOFF_MS: '20',
      UPSTREAM_FIRST_TOKEN_MS: String(TIMEOUT_MS),
      UPSTREAM_IDLE_MS: String(TIMEOUT_MS),
    },
    config: {
      models: Object.keys(ANSWERS).map((name) => ({
        name,
        upstreams: [{ base_url: `${strange.url}/${name}/v1`, model: name }],
      })),
    },
  });
  client = stack.openai();
});
afterAll(async () => {
  await stack.stop();
  await strange.close();
});

/** Streams a response, checks its invariants, and tells what its client saw. */
async function watch({ text }: Script, model = 'demo') {
  const answer = await stack.fetch('/v1/responses', {
    method: 'POST',
    body: JSON.stringify({ model, input: text, stream: true }),
  });
  const raw = await readFrames(answer);
  const response = await expectWhole(stack, raw);
  const events = raw.frames.map(eventOf);
  const types = events.map((event) => event.type);
  const deltas = events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : []));
  return { response, events, types, deltas };
}

const words = (count: number) => Array.from({ length: count }, (_, index) => `w${index + 1} `);

async function modelCalls({ marker }: Script): Promise<number> {
  return (await callsWith(stack, marker)).filter((call) => call.kind === 'model').length;
}

describe.concurrent('an error that another try would not mend', () => {
  test('fails the response with the reason of the model server; the request itself succeeds', async () => {
    const asked = script('!error 400 The prompt is too rude.');
    const response = await client.responses.create({ model: 'demo', input: asked.text });
    const error = { code: 'upstream_error', message: 'The model server answered 400: The prompt is too rude.' };
    expect(response).toMatchObject({ status: 'failed', error, output: [], usage: { total_tokens: 0 } });
    expect(await modelCalls(asked)).toBe(1);
    const { types, events, response: streamed } = await watch(script('!error 400 The prompt is too rude.'));
    expect(types).toEqual(['response.created', 'response.in_progress', 'error', 'response.failed']);
    expect(events.at(-2)).toMatchObject({ error: { type: 'model_error', ...error, param: null } });
    expect(streamed.error).toMatchObject(error);
  });

  test('a wrong key, and an error that is no JSON', async () => {
    const denied = script('!error 401 No such key.');
    expect((await watch(denied)).response.error?.message).toContain('401: No such key.');
    expect(await modelCalls(denied)).toBe(1);
    const { response } = await watch(script('!text 1'), 'plain-error');
    expect(response.error).toMatchObject({
      code: 'upstream_error',
      message: expect.stringContaining('I am no OpenAI.'),
    });
  });

  test('in a later turn: what came before stays', async () => {
    const asked = script('!say First this.', '!call get_time {"city":"Oslo","_ms":1}', '!turn', '!error 422 Enough.');
    const { response } = await watch(asked);
    expect(response).toMatchObject({ status: 'failed', error: { message: expect.stringContaining('Enough.') } });
    const types = response.output.map((item) => item.type);
    expect(types).toEqual(['message', 'function_call', 'function_call_output']);
  });
});

describe.concurrent('an error that passes', () => {
  test('a 500 twice, and a 429 with Retry-After: the client sees nothing of it', async () => {
    const undisturbed = await watch(script('!text 4'));
    const broken = script('!error 500 times=2', '!text 4');
    const limited = script('!error 429 retry-after=1 times=1', '!text 4');
    const [afterBroken, afterLimited] = await Promise.all([watch(broken), watch(limited)]);
    for (const { response, types, deltas } of [afterBroken, afterLimited]) {
      expect(response).toMatchObject({ status: 'completed', error: null });
      expect(types).toEqual(undisturbed.types);
      expect(deltas).toEqual(words(4));
    }
    expect(await modelCalls(broken)).toBe(3);
    const [refused, served] = await callsWith(stack, limited.marker);
    expect((served?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
    const { rows } = await stack.database.query(
      `SELECT call, calls.status, error_code FROM http_analytics AS calls JOIN responses ON responses.id = response_id
       WHERE request::text LIKE '%' || $1 || '%' ORDER BY call`,
      [broken.marker],
    );
    expect(rows).toEqual([
      { call: 1, status: 500, error_code: 'upstream_error' },
      { call: 2, status: 500, error_code: 'upstream_error' },
      { call: 3, status: 200, error_code: null },
    ]);
  });

  test('that does not pass in time: the response fails, with the last reason', async () => {
    const asked = script('!error 503 Always busy.');
    const { response } = await watch(asked);
    expect(response.error?.message).toBe('The model server answered 503: Always busy.');
    expect(await modelCalls(asked)).toBe(ATTEMPTS);
  });
});

test.concurrent('a wait that is longer than anybody would wait: the response fails at once', async () => {
  const asked = script('!error 429 retry-after=3600 Come back tomorrow.');
  const { response } = await watch(asked);
  expect(response.error?.message).toBe('The model server answered 429: Come back tomorrow.');
  expect(await modelCalls(asked)).toBe(1);
});

describe.concurrent('a connection that breaks', () => {
  test.each([0, 1, 5, 9, 10])('after %i chunks: the same words go on where they were', async (k) => {
    const asked = script('!text 10', `!cut ${k} times=1`);
    const { response, deltas } = await watch(asked);
    expect(response).toMatchObject({ status: 'completed', output: [{ type: 'message', status: 'completed' }] });
    expect(deltas).toEqual(words(10));
    expect(await modelCalls(asked)).toBe(2);
  });

  test('and other words come then: the open item is given up, a new one says it whole', async () => {
    const asked = script('!vary 10', '!cut 5 times=1');
    const { response } = await watch(asked);
    expect(response).toMatchObject({
      status: 'completed',
      output: [
        { type: 'message', status: 'incomplete', content: [] },
        { type: 'message', status: 'completed' },
      ],
    });
    const [, message] = response.output;
    const said = message?.type === 'message' && message.content[0]?.type === 'output_text' && message.content[0].text;
    expect(said).toMatch(/^(v(\d+)\.1) (v\2\.\d+ ){9}$/);
    const next = script('!text 1');
    await client.responses.create({ model: 'demo', input: next.text, previous_response_id: response.id });
    // The model hears of one answer: user, assistant, user.
    expect((await callsWith(stack, next.marker)).map((call) => call.messages_count)).toEqual([3]);
  });

  test.each([1, 2, 4])('in the middle of calls, after %i chunks: each tool is called once', async (k) => {
    const asked = script(
      `!call get_time {"city":"cut-${k}-a","_ms":1}`,
      `!call get_time {"city":"cut-${k}-b","_ms":1}`,
      `!cut ${k} times=1`,
      '!turn',
      '!say Done.',
    );
    const { response } = await watch(asked);
    expect(response.output.map((item) => item.type)).toEqual([
      'function_call',
      'function_call',
      'function_call_output',
      'function_call_output',
      'message',
    ]);
    const tools = (await callsWith(stack, `cut-${k}-`)).filter((call) => call.kind === 'tool');
    expect(tools).toHaveLength(2);
  });

  test('again and again: the response fails, what was said stays as incomplete', async () => {
    const asked = script('!text 10', '!cut 4');
    const { response } = await watch(asked);
    expect(response).toMatchObject({
      status: 'failed',
      error: { code: 'upstream_cut' },
      output: [{ type: 'message', status: 'incomplete', content: [{ text: 'w1 w2 w3 w4 ' }] }],
    });
    expect(await modelCalls(asked)).toBe(ATTEMPTS);
  });
});

describe.concurrent('a stream that is not right', () => {
  test('silence, in its middle or before its beginning: it is asked again', async () => {
    const middle = script('!text 6', '!hang 3 times=1');
    const beginning = script('!text 6', '!hang 0 times=1');
    for (const { response, deltas } of await Promise.all([watch(middle), watch(beginning)])) {
      expect(response.status).toBe('completed');
      expect(deltas).toEqual(words(6));
    }
    expect([await modelCalls(middle), await modelCalls(beginning)]).toEqual([2, 2]);
  });

  test('silence every time: the response fails by a timeout', async () => {
    const { response } = await watch(script('!hang 0'));
    const message = `The model server did not answer within ${TIMEOUT_MS} ms.`;
    expect(response.error).toMatchObject({ code: 'upstream_timeout', message });
  });

  test('an error inside it: it is asked again', async () => {
    const asked = script('!text 6', '!stream-error 3 times=1');
    const { response, deltas } = await watch(asked);
    expect(response.status).toBe('completed');
    expect(deltas).toEqual(words(6));
    expect(await modelCalls(asked)).toBe(2);
  });

  test('a finish without [DONE] is an end', async () => {
    const { response, deltas } = await watch(script('!text 1'), 'no-done');
    expect(response.status).toBe('completed');
    expect(deltas).toEqual(['Whole.']);
  });

  test('an end without a finish is none', async () => {
    const { response } = await watch(script('!text 1'), 'no-end');
    expect(response).toMatchObject({
      status: 'failed',
      error: { code: 'upstream_cut' },
      output: [{ status: 'incomplete', content: [{ text: 'Half.' }] }],
    });
    expect(strange.requests.filter((name) => name === 'no-end')).toHaveLength(ATTEMPTS);
  });

  test.each(['not-json', 'not-chunks', 'no-choice'])('%s: the response fails', async (model) => {
    const { response } = await watch(script('!text 1'), model);
    expect(response).toMatchObject({ status: 'failed', error: { code: 'upstream_invalid' }, output: [] });
  });

  test('a server that does not stream is taken at its word', async () => {
    const { response, deltas } = await watch(script('!text 1'), 'not-streaming');
    expect(response.status).toBe('completed');
    expect(deltas).toEqual(['At once.']);
  });
});
