import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DemoModel, startDemoModel } from '../src/index.ts';
import type { ResponseEvent } from '../src/response-part.ts';
import { askResponses, readEvents } from './client.ts';

let model: DemoModel;
beforeAll(async () => {
  model = await startDemoModel();
});
afterAll(() => model.close());

async function streamed(input: unknown, rest: Record<string, unknown> = {}) {
  return readEvents(await askResponses(model.url, input, { stream: true, ...rest }));
}

function textOf(events: ResponseEvent[]): string {
  return events
    .filter((event) => event.type === 'response.output_text.delta')
    .map((event) => event.delta)
    .join('');
}

function callOf(label: string) {
  const call = model.calls().findLast((one) => one.text?.includes(label));
  if (call === undefined) throw new Error(`no call with ${label}`);
  return call;
}

const get_weather = {
  type: 'function' as const,
  name: 'get_weather',
  strict: true,
  parameters: {
    type: 'object',
    properties: { location: { type: 'string' } },
    required: ['location'],
    additionalProperties: false,
  },
};

describe('the Responses dialect', () => {
  test('events as a stream, the last of them with the usage, and no [DONE]', async () => {
    const response = await askResponses(model.url, '!text 2', { stream: true });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const { events, broken } = await readEvents(response);
    expect(broken).toBe(false);
    expect(textOf(events)).toBe('w1 w2 ');
    expect(events.at(-1)).toMatchObject({
      type: 'response.completed',
      response: { usage: { input_tokens: 2, output_tokens: 2, total_tokens: 4 }, service_tier: 'default' },
    });
  });

  test('chunks come on time, and nothing of a long answer is lost', async () => {
    const started = performance.now();
    await streamed('!text 6 20');
    expect(performance.now() - started).toBeGreaterThan(115);
    expect(textOf((await streamed('!text 20000')).events)).toBe(
      Array.from({ length: 20_000 }, (_, i) => `w${i + 1} `).join(''),
    );
  });

  test('the openai client reads streams and bodies', async () => {
    const client = new OpenAI({ baseURL: `${model.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const input =
      '!reasoning 1\n!summary 1\n!text 2\n!cite https://x.org/ X\n!call f {"a":"é😀"}\n!call g {}\n!tier flex';
    const final = await client.responses.stream({ model: 'any', input }).finalResponse();
    const whole = await client.responses.create({ model: 'any', input });
    for (const response of [final, whole]) {
      expect(response).toMatchObject({
        object: 'response',
        status: 'completed',
        model: 'any',
        output_text: 'w1 w2 ',
        service_tier: 'flex',
        output: [
          { type: 'reasoning', summary: [{ text: 's1 ' }], content: [{ text: 'r1 ' }] },
          { type: 'message', content: [{ annotations: [{ url: 'https://x.org/', end_index: 6 }] }] },
          { type: 'function_call', name: 'f', arguments: '{"a":"é😀"}' },
          { type: 'function_call', name: 'g', arguments: '{}' },
        ],
      });
    }
  });

  test('the openai client runs a tool turn and parses what a schema asks for', async () => {
    const client = new OpenAI({ baseURL: `${model.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const asked = { role: 'user' as const, content: "What's the weather like in San Francisco?" };
    const first = await client.responses.create({ model: 'demo', input: [asked], tools: [get_weather] });
    const [call] = first.output;
    if (call?.type !== 'function_call') throw new Error(`no call but ${call?.type}`);
    expect(JSON.parse(call.arguments)).toEqual({ location: 'San Francisco' });
    const output = { type: 'function_call_output' as const, call_id: call.call_id, output: 'fog' };
    const input = [asked, ...first.output, output] as OpenAI.Responses.ResponseInput;
    const second = await client.responses.create({ model: 'demo', input, tools: [get_weather] });
    expect(second.output_text).toBe('get_weather answered: fog.');

    const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] };
    const format = { type: 'json_schema' as const, name: 'verdict', schema, strict: true };
    const parsed = await client.responses.parse({ model: 'demo', input: 'Well?', text: { format } });
    expect(parsed.output_parsed).toEqual({ ok: true });
  });

  test('the turn of the script is that after the outputs', async () => {
    const user = { role: 'user', content: '!call f {}\n!turn\n!say second' };
    const { events } = await streamed([user]);
    const item = events.find((event) => event.type === 'response.output_item.done')?.item as { call_id: string };
    const output = { type: 'function_call_output', call_id: item.call_id, output: 'x' };
    expect(textOf((await streamed([user, item, output])).events)).toBe('second');
  });

  test('a call is made where it is required, and an answer ends at the limit', async () => {
    const required = await askResponses(model.url, 'hello', { tools: [get_weather], tool_choice: 'required' });
    expect(await required.json()).toMatchObject({
      output: [{ name: 'get_weather', arguments: '{"location":"demo"}' }],
    });
    const { events } = await streamed('!text 9', { max_output_tokens: 4 });
    expect(textOf(events)).toBe('w1 w2 w3 w4 ');
    expect(events.at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: { incomplete_details: { reason: 'max_output_tokens' }, usage: { output_tokens: 4 } },
    });
  });

  test.each<[string, unknown, string]>([
    ['a bad script', '!nonsense', 'input'],
    ['an output without a call', [{ type: 'function_call_output', call_id: 'c', output: '' }], 'input[0]'],
  ])('%s is a 400 in the envelope', async (_, input, param) => {
    const response = await askResponses(model.url, input);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', param } });
  });
});

describe('faults in the Responses dialect', () => {
  test('an HTTP error, the first times only', async () => {
    const script = '!error 429 retry-after=0.5 times=1 too fast\n!say ok';
    const response = await askResponses(model.url, script, { stream: true });
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '0.5']);
    expect(await response.json()).toMatchObject({ error: { message: 'too fast' } });
    expect(textOf((await streamed(script)).events)).toBe('ok');
  });

  test('!cut ends the connection there, in a stream and in a body', async () => {
    const { events, broken } = await streamed('!text 3 1\n!cut 2');
    expect([textOf(events), broken]).toEqual(['w1 w2 ', true]);
    expect(callOf('!cut 2')).toMatchObject({ name: 'responses', ended: 'cut', aborted: false });
    await expect(askResponses(model.url, '!text 3\n!cut 2')).rejects.toThrow(TypeError);
  });

  test('!hang sends nothing more until the client goes away', async () => {
    const abort = new AbortController();
    const response = await askResponses(model.url, '!text 3\n!hang 1', { stream: true }, abort.signal);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('"w1 "')) text += (await reader?.read())?.value ?? '';
    expect(text).not.toContain('w2');
    expect(callOf('!hang 1')).toMatchObject({ ended: 'hang', closed_at: null });
    abort.abort();
    await expect.poll(() => callOf('!hang 1').closed_at, { interval: 5 }).not.toBeNull();
    expect(callOf('!hang 1')).toMatchObject({ ended: 'hang', aborted: true });
  });

  test('!stream-error ends a stream with an error and response.failed; a body becomes a 500', async () => {
    const { events, broken } = await streamed('!text 3\n!stream-error 1');
    expect([textOf(events), broken]).toEqual(['w1 ', false]);
    expect(events.slice(-2)).toMatchObject([
      { type: 'error', error: { type: 'server_error' } },
      { type: 'response.failed', response: { status: 'failed', error: { code: 'server_error' } } },
    ]);
    expect((await askResponses(model.url, '!text 3\n!stream-error 1')).status).toBe(500);
  });
});
