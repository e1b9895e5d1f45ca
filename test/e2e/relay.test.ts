/** Calls that are passed on to a model's own server: chat completions and embeddings. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectBus, WORK_STREAM } from '@tailrace/bus';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { activeWorker } from '../harness/active-worker.ts';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const STRANGER = 'sk-stranger-0123456789abcdef';
const OUTSIDER = 'sk-outsider-0123456789abcdef';
/** May have one call under way. */
const SINGLE = 'sk-single-0123456789abcdef';

/** A model's server whose answers are written by the test. */
interface Puppet {
  server: Server;
  url: string;
  /** Requests that wait for their answer, oldest first. */
  asked: ServerResponse[];
  /** How many requests have been left by whoever made them. */
  left: number;
}

let stack: TestStack;
let client: OpenAI;
let puppet: Puppet;

async function startPuppet(): Promise<Puppet> {
  const made: Puppet = { server: createServer(), url: '', asked: [], left: 0 };
  made.server.on('request', (request, out: ServerResponse) => {
    request.resume();
    made.asked.push(out);
    out.once('close', () => {
      if (!out.writableEnded) made.left += 1;
    });
  });
  made.server.listen(0, '127.0.0.1');
  await once(made.server, 'listening');
  made.url = `http://127.0.0.1:${(made.server.address() as AddressInfo).port}/v1`;
  return made;
}

/** The next request to the puppet. */
const nextAsked = () => eventually('the server is asked', async () => puppet.asked.shift());

const frame = (content: string) =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;
const END = `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`;

const messages = (content: string) => [{ role: 'user' as const, content }];

/** How much work is in the queues, what is being done included. */
async function queuedWork(): Promise<number> {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  try {
    return (await bus.jsm.streams.info(WORK_STREAM)).state.messages;
  } finally {
    await bus.close();
  }
}

/** How many calls of the key that may have one hold their place. */
async function underWay(): Promise<number> {
  const { rows } = await stack.database.query(
    "SELECT FROM limit_leases WHERE scope = 'key:single' AND expires_at > clock_timestamp()",
  );
  return rows.length;
}

beforeAll(async () => {
  puppet = await startPuppet();
  stack = await testStack({
    replicas: { gateway: 2, modelCaller: 2 },
    restart: true,
    env: { RELAY_ALIVE_MS: '200', RELAY_SILENCE_MS: '3000', RELAY_QUEUE_MS: '15000' },
    config: {
      keys: [
        { name: 'stranger', key: STRANGER, groups: ['everyone'] },
        { name: 'outsider', key: OUTSIDER, groups: ['others'] },
        { name: 'single', key: SINGLE, groups: ['everyone'], limits: { concurrency: 1 } },
      ],
      models: [
        { name: 'puppet', upstreams: [{ base_url: puppet.url, model: 'p' }] },
        { name: 'narrow', concurrency: 1, upstreams: [{ base_url: puppet.url, model: 'p' }] },
        { name: 'other-words', upstreams: [{ base_url: puppet.url, model: 'p', dialect: 'responses' }] },
      ],
    },
  });
  client = stack.openai();
});
afterAll(async () => {
  await stack.stop();
  puppet.server.closeAllConnections();
  puppet.server.close();
});

describe("OpenAI's client", () => {
  test('gets a completion, and what it cost is booked', async () => {
    const asked = script('!say Hello there.', '!usage 11 7 3 2');
    const completion = await client.chat.completions.create({ model: 'demo', messages: messages(asked.text), seed: 7 });
    expect(completion.choices[0]).toMatchObject({ message: { role: 'assistant', content: 'Hello there.' } });
    expect(completion.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 7 });
    const [call] = await callsWith(stack, asked.marker);
    expect(call?.parameters).toMatchObject({ model: 'demo', seed: 7 });
    const rows = await eventually('the call is booked', async () => {
      const { rows } = await stack.database.query(
        `SELECT owner, key_name, status, error_code, input_tokens, cached_tokens, output_tokens, reasoning_tokens
         FROM http_analytics WHERE endpoint = 'chat.completions' AND input_tokens = 11`,
      );
      return rows.length > 0 && rows;
    });
    expect(rows).toEqual([
      {
        owner: 'local',
        key_name: 'local',
        status: 200,
        error_code: null,
        input_tokens: 11,
        cached_tokens: 3,
        output_tokens: 7,
        reasoning_tokens: 2,
      },
    ]);
  });

  test('gets a stream with its calls, and its tokens only if it asks', async () => {
    const asked = script('!call get_weather {"city":"Paris"}');
    const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters: { type: 'object' } } }];
    const params = { model: 'demo', messages: messages(asked.text), tools, stream: true as const };
    const read = async (options: { include_usage: boolean } | undefined) => {
      const stream = await client.chat.completions.create({ ...params, ...(options && { stream_options: options }) });
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      return chunks;
    };
    const plain = await read(undefined);
    const called = plain.map(({ choices }) => choices[0]?.delta.tool_calls?.[0]?.function?.arguments ?? '').join('');
    expect(JSON.parse(called)).toEqual({ city: 'Paris' });
    expect(plain.some(({ usage }) => usage)).toBe(false);
    expect((await read({ include_usage: true })).at(-1)).toMatchObject({
      choices: [],
      usage: { total_tokens: expect.any(Number) },
    });
  });

  test('gets embeddings as the server made them', async () => {
    const body = { model: 'demo', input: 'some text', dimensions: 16 };
    const answer = await fetch(`${stack.demoModelUrl}/v1/embeddings`, { method: 'POST', body: JSON.stringify(body) });
    const direct = (await answer.json()) as { data: { embedding: number[] }[] };
    const { data, usage } = await client.embeddings.create(body);
    expect(data[0]?.embedding).toEqual(direct.data[0]?.embedding);
    expect(usage.total_tokens).toBeGreaterThan(0);
  });

  test('may send and get far more than fits a message', async () => {
    const input = Array.from({ length: 64 }, (_, index) => `${index} ${'x'.repeat(50_000)}`);
    const { data } = await client.embeddings.create({
      model: 'demo',
      input,
      dimensions: 2_048,
      encoding_format: 'float',
    });
    expect(data.map(({ embedding }) => embedding.length)).toEqual(input.map(() => 2_048));
    const [first] = (
      await client.embeddings.create({
        model: 'demo',
        input: input[63] ?? '',
        dimensions: 2_048,
        encoding_format: 'float',
      })
    ).data;
    expect(first?.embedding).toEqual(data[63]?.embedding);
  });

  test('is told in the server’s own words what is wrong with its request', async () => {
    const asked = messages(script('!error 400 The prompt is too rude.').text);
    const error = await client.chat.completions
      .create({ model: 'demo', messages: asked })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', message: '400 The prompt is too rude.' });
    const limited = messages(script('!error 429 retry-after=3000 Slow down.').text);
    const refused = await client.chat.completions
      .create({ model: 'demo', messages: limited })
      .catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ status: 502, code: 'upstream_error' });
    expect((refused as InstanceType<typeof OpenAI.APIError>).headers?.get('retry-after')).toBe('3000');
  });

  test('hears of an answer that breaks off', async () => {
    const asked = messages(script('!text 9', '!cut 3').text);
    const stream = await client.chat.completions.create({ model: 'demo', messages: asked, stream: true });
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    })();
    await expect(reading).rejects.toMatchObject({ code: 'upstream_cut' });
    expect(text).toBe('w1 w2 w3 ');
  });
});

describe('who may ask for what', () => {
  const ask = (model: string, key?: string) =>
    stack.openai(0, key === undefined ? {} : { apiKey: key }).embeddings.create({ model, input: 'text' });

  test('is for the groups of the key to say', async () => {
    await expect(ask('demo', STRANGER)).resolves.toMatchObject({ object: 'list' });
    await expect(ask('demo', OUTSIDER)).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    await expect(ask('demo', 'sk-wrong-0123456789abcdef')).rejects.toMatchObject({
      status: 401,
      code: 'invalid_api_key',
    });
    await expect(ask('none')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  test('each call is booked to its own owner', async () => {
    const rows = await eventually("the stranger's call is booked", async () => {
      const { rows } = await stack.database.query(
        `SELECT DISTINCT owner, key_name FROM http_analytics WHERE endpoint = 'embeddings' ORDER BY owner`,
      );
      return rows.length === 2 && rows;
    });
    expect(rows).toEqual([
      { owner: 'local', key_name: 'local' },
      { owner: 'stranger', key_name: 'stranger' },
    ]);
  });

  test('a model whose server speaks only Responses says so', async () => {
    await expect(ask('other-words')).rejects.toMatchObject({
      status: 400,
      code: 'endpoint_not_served',
      param: 'model',
    });
  });

  test('what is no request is refused before anybody is asked', async () => {
    for (const [path, body, param] of [
      ['/v1/chat/completions', { messages: [] }, 'model'],
      ['/v1/chat/completions', { model: 'demo' }, 'messages'],
      ['/v1/chat/completions', { model: 'demo', messages: [{ role: 'user' }], stream: 'yes' }, 'stream'],
      ['/v1/embeddings', { model: 'demo' }, 'input'],
    ] as const) {
      const answer = await stack.fetch(path, { method: 'POST', body: JSON.stringify(body) });
      expect([answer.status, await answer.json()]).toMatchObject([400, { error: { param } }]);
    }
  });
});

test('calls and responses share the concurrency of a model', async () => {
  const first = client.chat.completions.create({ model: 'narrow', messages: messages('one') });
  const asked = await nextAsked();
  const second = client.chat.completions.create({ model: 'narrow', messages: messages('two') });
  const third = client.responses.create({ model: 'narrow', input: 'three' });
  // The others are in the queue, where they can be seen.
  await eventually('both wait', async () => {
    const { rows } = await stack.database.query("SELECT 1 FROM response_steps WHERE state = 'pending'");
    return rows.length === 1;
  });
  expect(puppet.asked).toEqual([]);
  const completion = {
    id: 'c',
    object: 'chat.completion',
    choices: [{ index: 0, message: { content: 'ok' }, finish_reason: 'stop' }],
  };
  const finish = (out: ServerResponse) =>
    out.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(completion));
  finish(asked);
  finish(await nextAsked());
  finish(await nextAsked());
  expect((await first).choices[0]?.message.content).toBe('ok');
  expect((await second).choices[0]?.message.content).toBe('ok');
  expect((await third).output_text).toBe('ok');
});

describe('a client that goes away', () => {
  test('ends the call, before its answer and in the middle of it', async () => {
    for (const begun of [false, true]) {
      const before = puppet.left;
      const abort = new AbortController();
      const init = {
        method: 'POST',
        body: JSON.stringify({ model: 'puppet', messages: messages('x'), stream: true }),
        signal: abort.signal,
      };
      const answering = stack.fetch('/v1/chat/completions', init);
      const asked = await nextAsked();
      if (begun) {
        asked.writeHead(200, { 'content-type': 'text/event-stream' }).write(frame('hello'));
        const answer = await answering;
        await answer.body?.getReader().read();
        abort.abort();
      } else {
        abort.abort();
        await expect(answering).rejects.toThrow();
      }
      await eventually('the server is left', async () => puppet.left > before);
    }
    const rows = await eventually('both are booked', async () => {
      const { rows } = await stack.database.query(
        "SELECT status FROM http_analytics WHERE error_code = 'client_gone' ORDER BY call",
      );
      return rows.length === 2 && rows;
    });
    expect(rows.map(({ status }) => status).toSorted()).toEqual([200, null]);
  });

  test('before anybody has taken the call leaves nothing in the queue', async () => {
    const holding = client.chat.completions.create({ model: 'narrow', messages: messages('one') });
    const asked = await nextAsked();
    const abort = new AbortController();
    const body = JSON.stringify({ model: 'narrow', messages: messages('two') });
    const waiting = stack.fetch('/v1/chat/completions', { method: 'POST', body, signal: abort.signal });
    await eventually('it is queued', async () => (await queuedWork()) === 2);
    abort.abort();
    await expect(waiting).rejects.toThrow();
    await eventually('it is taken back', async () => (await queuedWork()) === 1);
    asked.writeHead(200, { 'content-type': 'application/json' }).end('{"choices":[]}');
    await holding;
  });
});

describe('kill -9 of the model-caller', () => {
  test('before the first token is not seen', async () => {
    const completion = client.chat.completions.create({ model: 'puppet', messages: messages('x'), stream: true });
    const first = await nextAsked();
    first.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    const worker = await activeWorker(stack, 'model-caller');
    await stack.kill('model-caller', worker.index);
    const second = await nextAsked();
    second.writeHead(200, { 'content-type': 'text/event-stream' }).end(frame('hello') + END);
    let text = '';
    for await (const chunk of await completion) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe('hello');
  });

  test('after it ends the stream with an error, and gives the place of the call back', async () => {
    const stream = await (async () => {
      const creating = stack
        .openai(0, { apiKey: SINGLE })
        .chat.completions.create({ model: 'puppet', messages: messages('x'), stream: true });
      const asked = await nextAsked();
      asked.writeHead(200, { 'content-type': 'text/event-stream' }).write(frame('hello'));
      return creating;
    })();
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    })();
    const failing = expect(reading).rejects.toMatchObject({ code: 'upstream_cut' });
    await eventually('the first token is there', async () => text === 'hello');
    expect(await underWay()).toBe(1);
    const worker = await activeWorker(stack, 'model-caller');
    await stack.kill('model-caller', worker.index);
    await failing;
    expect(text).toBe('hello');
    expect(puppet.asked).toEqual([]);
    await eventually('its place is free', async () => (await underWay()) === 0);
  });
});

describe('kill -9 of the gateway', () => {
  const ask = (model: string) =>
    stack.fetch('/v1/chat/completions', {
      method: 'POST',
      gateway: 1,
      headers: { authorization: `Bearer ${SINGLE}` },
      body: JSON.stringify({ model, messages: messages('x'), stream: true }),
    });

  test('ends the call of the server before its answer, and gives its place back', async () => {
    const before = puppet.left;
    const failing = expect(ask('puppet')).rejects.toThrow();
    await nextAsked();
    expect(await underWay()).toBe(1);
    await stack.kill('gateway', 1);
    await failing;
    await eventually('the server is left', async () => puppet.left > before);
    await eventually('its place is free', async () => (await underWay()) === 0);
    await stack.ready('gateway', 1);
  });

  test('gives the place of a call back that nobody has taken yet', async () => {
    const holding = client.chat.completions.create({ model: 'narrow', messages: messages('one') });
    const asked = await nextAsked();
    const failing = expect(ask('narrow')).rejects.toThrow();
    await eventually('it is queued', async () => (await queuedWork()) === 2);
    expect(await underWay()).toBe(1);
    await stack.kill('gateway', 1);
    await failing;
    asked.writeHead(200, { 'content-type': 'application/json' }).end('{"choices":[]}');
    await holding;
    await eventually('its place is free', async () => (await underWay()) === 0);
    expect(puppet.asked).toEqual([]);
  });
});
