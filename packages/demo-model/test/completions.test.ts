import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DemoModel, startDemoModel } from '../src/index.ts';
import { ask, readStream, textOf } from './client.ts';
import { offered } from './request.ts';

let model: DemoModel;
beforeAll(async () => {
  model = await startDemoModel();
});
afterAll(() => model.close());

async function streamed(content: string, rest: Record<string, unknown> = {}) {
  return readStream(await ask(model.url, content, { stream: true, ...rest }));
}

async function producedChunks(): Promise<number> {
  return ((await (await fetch(`${model.url}/_stats`)).json()) as { chunks: number }).chunks;
}

function callOf(label: string) {
  const call = model.calls().findLast((one) => one.text?.includes(label));
  if (call === undefined) throw new Error(`no call with ${label}`);
  return call;
}

describe('streams', () => {
  test('role first, then content, finish reason, usage and [DONE]', async () => {
    const response = await ask(model.url, '!text 2', { stream: true, stream_options: { include_usage: true } });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const { chunks, done } = await readStream(response);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta)).toEqual([
      { role: 'assistant', content: '' },
      { content: 'w1 ' },
      { content: 'w2 ' },
      {},
      undefined,
    ]);
    expect(chunks.map((chunk) => chunk.choices[0]?.finish_reason)).toEqual([null, null, null, 'stop', undefined]);
    expect(chunks.map((chunk) => chunk.usage?.total_tokens)).toEqual([undefined, undefined, undefined, undefined, 4]);
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
    expect(done).toBe(true);
  });

  test('no usage unless it is asked for, and none with !no-usage', async () => {
    expect((await streamed('!text 1')).chunks.every((chunk) => chunk.usage === undefined)).toBe(true);
    const none = await streamed('!text 1\n!no-usage', { stream_options: { include_usage: true } });
    expect(none.chunks.every((chunk) => chunk.usage === null)).toBe(true);
  });

  test('chunks come one by one and on time', async () => {
    const response = await ask(model.url, '!text 6 20', { stream: true });
    const started = performance.now();
    let pieces = 0;
    for await (const _ of response.body ?? []) pieces += 1;
    expect(pieces).toBeGreaterThan(1);
    expect(performance.now() - started).toBeGreaterThan(95);
  });

  test('no more is produced than a client that does not read can hold, and nothing is lost', async () => {
    const before = await producedChunks();
    const response = await ask(model.url, '!text 100000', { stream: true });
    let produced = 0;
    await expect
      .poll(
        async () => {
          const previous = produced;
          produced = (await producedChunks()) - before;
          return produced > 0 && produced === previous;
        },
        { interval: 40 },
      )
      .toBe(true);
    expect(produced).toBeLessThan(100_000);
    const { chunks, done } = await readStream(response);
    expect(done).toBe(true);
    expect(textOf(chunks)).toBe(Array.from({ length: 100_000 }, (_, i) => `w${i + 1} `).join(''));
  });

  test('the openai client reads it, tool calls and refusals included', async () => {
    const client = new OpenAI({ baseURL: `${model.url}/v1`, apiKey: 'none' });
    const content = '!reasoning 2\n!text 1\n!refuse not this\n!call f {"a":"é😀"}\n!call g {}';
    const create = { model: 'any', messages: [{ role: 'user' as const, content }] };
    const { choices } = await client.chat.completions.stream(create).finalChatCompletion();
    expect(choices[0]?.message).toMatchObject({
      content: 'w1 ',
      refusal: 'not this',
      tool_calls: [{ function: { name: 'f', arguments: '{"a":"é😀"}' } }, { function: { name: 'g', arguments: '{}' } }],
    });
    const whole = await client.chat.completions.create(create);
    expect(whole.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: 'w1 ',
        refusal: 'not this',
        reasoning_content: 'r1 r2 ',
        tool_calls: [
          { function: { name: 'f', arguments: '{"a":"é😀"}' } },
          { function: { name: 'g', arguments: '{}' } },
        ],
      },
    });
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['demo']);
  });
});

describe('summaries, citations, log probabilities and tiers', () => {
  const script = '!summary 2\n!text 2\n!cite https://x.org/ X\n!tier flex';
  const citation = {
    type: 'url_citation',
    url_citation: { start_index: 0, end_index: 6, url: 'https://x.org/', title: 'X' },
  };

  test('in a stream', async () => {
    const { chunks } = await streamed(script);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta).slice(1, -1)).toEqual([
      { reasoning_details: [{ type: 'reasoning.summary', summary: 's1 ' }] },
      { reasoning_details: [{ type: 'reasoning.summary', summary: 's2 ' }] },
      { content: 'w1 ' },
      { content: 'w2 ' },
      { annotations: [citation] },
    ]);
    expect(new Set(chunks.map((chunk) => chunk.service_tier))).toEqual(new Set(['flex']));
    expect(chunks.every((chunk) => (chunk.choices[0]?.logprobs ?? null) === null)).toBe(true);
  });

  test('in a body', async () => {
    expect(await (await ask(model.url, script)).json()).toMatchObject({
      service_tier: 'flex',
      choices: [
        {
          message: {
            content: 'w1 w2 ',
            reasoning_details: [{ type: 'reasoning.summary', summary: 's1 s2 ' }],
            annotations: [citation],
          },
          logprobs: null,
        },
      ],
    });
    expect(await (await ask(model.url, '!text 1')).json()).not.toHaveProperty('service_tier');
  });

  test('a token for each text chunk where they are asked for, the same every time', async () => {
    const asked = { logprobs: true, top_logprobs: 2 };
    const { chunks } = await streamed('!reasoning 1\n!text 2', asked);
    const tokens = chunks.flatMap((chunk) => chunk.choices[0]?.logprobs?.content ?? []);
    expect(tokens).toMatchObject([
      { token: 'w1 ', bytes: [119, 49, 32], top_logprobs: [{ token: 'w1 ' }, { token: 'alt1 ' }] },
      { token: 'w2 ', top_logprobs: [{ token: 'w2 ' }, { token: 'alt1 ' }] },
    ]);
    for (const { logprob, top_logprobs } of tokens) {
      expect(logprob).toBeLessThan(0);
      expect(top_logprobs[0]?.logprob).toBe(logprob);
      expect(top_logprobs[1]?.logprob).toBeLessThan(logprob);
    }
    const body = (await (await ask(model.url, '!text 2', asked)).json()) as { choices: unknown[] };
    expect(body.choices[0]).toMatchObject({ logprobs: { content: tokens, refusal: null } });
    const alone = (await (await ask(model.url, '!text 1', { logprobs: true })).json()) as { choices: unknown[] };
    expect(alone.choices[0]).toMatchObject({ logprobs: { content: [{ token: 'w1 ', top_logprobs: [] }] } });
  });
});

describe('bodies', () => {
  test('take as long as the stream', async () => {
    const started = performance.now();
    const body = await (await ask(model.url, '!text 5 20')).json();
    expect(performance.now() - started).toBeGreaterThan(95);
    expect(body).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { role: 'assistant', content: 'w1 w2 w3 w4 w5 ' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 },
    });
  });

  test('have null content beside tool calls alone', async () => {
    const body = await (
      await ask(model.url, 'weather and time in Paris', { tools: offered('get_weather', 'get_time') })
    ).json();
    expect(body).toMatchObject({
      choices: [{ message: { content: null, tool_calls: [{}, {}] }, finish_reason: 'tool_calls' }],
    });
  });
});

describe('faults', () => {
  test('an HTTP error with Retry-After, the first times only, counted for each prompt', async () => {
    const script = '!error 429 retry-after=0.5 times=2 too fast\n!say ok';
    for (const _ of [1, 2]) {
      const response = await ask(model.url, script, { stream: true });
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, '0.5']);
      expect(await response.json()).toMatchObject({ error: { message: 'too fast', type: 'rate_limit_error' } });
    }
    expect(textOf((await streamed(script)).chunks)).toBe('ok');
    expect((await ask(model.url, `${script} other`)).status).toBe(429);
  });

  test.each([
    ['!cut 2', 'w1 w2 '],
    ['!cut 9', 'w1 w2 w3 '],
  ])('%s ends the connection there', async (cut, text) => {
    const { chunks, done, broken } = await streamed(`!text 3 1\n${cut}`);
    expect([textOf(chunks), done, broken]).toEqual([text, false, true]);
    expect(callOf(cut)).toMatchObject({ ended: 'cut' });
  });

  test('!cut 0 and the cut of a body end the connection before any answer', async () => {
    await expect(ask(model.url, '!text 3\n!cut 0', { stream: true })).rejects.toThrow(TypeError);
    await expect(ask(model.url, '!text 3\n!cut 2 times=1')).rejects.toThrow(TypeError);
    expect((await ask(model.url, '!text 3\n!cut 2 times=1')).status).toBe(200);
  });

  test('!hang sends nothing more until the client goes away', async () => {
    const abort = new AbortController();
    const response = await ask(model.url, '!text 3 1\n!hang 2', { stream: true }, { signal: abort.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('w2')) text += (await reader?.read())?.value ?? '';
    const silent = Symbol();
    const more = Promise.race([reader?.read(), new Promise((resolve) => setTimeout(resolve, 60, silent))]);
    expect(await more).toBe(silent);
    expect(callOf('!hang 2')).toMatchObject({ ended: 'hang', closed_at: null });
    abort.abort();
    await expect.poll(() => callOf('!hang 2').closed_at, { interval: 5 }).not.toBeNull();
    expect(callOf('!hang 2').ended).toBe('hang');
  });

  test('!hang 0 keeps the headers back, in a stream and in a body', async () => {
    for (const stream of [true, false]) {
      const signal = AbortSignal.timeout(60);
      await expect(ask(model.url, '!text 1\n!hang 0', { stream }, { signal })).rejects.toMatchObject({
        name: 'TimeoutError',
      });
    }
  });

  test('!stream-error puts an error into the stream; a body becomes a 500', async () => {
    const { chunks, done, broken } = await streamed('!text 3\n!stream-error 1');
    expect(textOf(chunks.slice(0, -1))).toBe('w1 ');
    expect(chunks.at(-1)?.error?.message).toContain('after 1 chunks');
    expect([done, broken]).toEqual([false, false]);
    expect((await ask(model.url, '!text 3\n!stream-error 1')).status).toBe(500);
  });

  test('a client that leaves stops the stream', async () => {
    const abort = new AbortController();
    const response = await ask(model.url, '!text 1000 20\nleaving', { stream: true }, { signal: abort.signal });
    await response.body?.getReader().read();
    abort.abort();
    await expect.poll(() => callOf('leaving').ended, { interval: 5 }).toBe('aborted');
  });

  test.each([
    ['a bad script', JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'a\n!error 0' }] }), 'Line 2'],
    ['no messages', '{"model":"m"}', 'messages'],
    ['no JSON', '{', 'not valid JSON'],
  ])('%s is a 400 in the envelope', async (_, body, message) => {
    const response = await fetch(`${model.url}/v1/chat/completions`, { method: 'POST', body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { message: expect.stringContaining(message), type: 'invalid_request_error' },
    });
  });

  test('a body of more than 40 MiB is a 413', async () => {
    const body = Buffer.alloc(40 * 1024 * 1024 + 1, ' ');
    const response = await fetch(`${model.url}/v1/chat/completions`, { method: 'POST', body });
    expect(response.status).toBe(413);
  });
});
