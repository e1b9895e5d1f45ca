import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Call, type DemoModel, startDemoModel } from '../src/index.ts';
import { ask, askResponses } from './client.ts';

let model: DemoModel;
beforeAll(async () => {
  model = await startDemoModel();
});
afterAll(() => model.close());

function tool(name: string, args: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(`${model.url}/tools/${name}`, { method: 'POST', body: JSON.stringify(args), ...init });
}

async function calls(contains = ''): Promise<Call[]> {
  return (await (await fetch(`${model.url}/_calls?contains=${encodeURIComponent(contains)}`)).json()) as Call[];
}

describe('tools', () => {
  test('tell the same facts of the same city every time', async () => {
    const weather = (await (await tool('get_weather', { city: 'Paris' })).json()) as Record<string, unknown>;
    expect(weather).toEqual({ city: 'Paris', temperature_c: expect.any(Number), conditions: expect.any(String) });
    expect(await (await tool('get_weather', { city: 'Paris' })).json()).toEqual(weather);
    expect(await (await tool('get_weather', { city: 'Oslo' })).json()).not.toMatchObject({
      temperature_c: weather.temperature_c,
      conditions: weather.conditions,
    });
    expect(await (await tool('get_time', { city: 'Paris' })).json()).toEqual({
      city: 'Paris',
      local_time: expect.stringMatching(/^\d\d:\d\d$/),
      utc_offset: expect.stringMatching(/^[+-]\d\d:00$/),
    });
    expect(await (await tool('echo', { a: [1], _ms: 1 })).json()).toEqual({ a: [1], _ms: 1 });
  });

  test('obey the arguments that make them slow, wrong, silent or long', async () => {
    const started = performance.now();
    await tool('echo', { _ms: 60 });
    expect(performance.now() - started).toBeGreaterThan(55);

    const failing = { city: 'Rome', _status: 503, _times: 2 };
    const statuses: number[] = [];
    for (const _ of [1, 2, 3]) statuses.push((await tool('get_time', failing)).status);
    expect(statuses).toEqual([503, 503, 200]);
    expect(await (await tool('get_time', { city: 'Rome', _status: 500 })).text()).toContain('status 500');

    expect(await (await tool('echo', { _bytes: 100_001 })).text()).toHaveLength(100_001);
    await expect(tool('echo', { _hang: true }, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await expect
      .poll(async () => (await calls('"_hang":true'))[0]?.closed_at, { interval: 5 })
      .toEqual(expect.any(Number));
    expect((await calls('"_hang":true'))[0]?.ended).toBe('hang');
  });

  test('take their time in a demo', async () => {
    const started = performance.now();
    await tool('get_weather?demo=1', { city: 'Paris' });
    expect(performance.now() - started).toBeGreaterThan(395);
  });

  test.each<[string, string, unknown, number]>([
    ['an unknown tool', 'nothing', {}, 404],
    ['no city', 'get_weather', {}, 400],
    ['arguments that are no object', 'echo', [], 400],
    ['a delay that is no number', 'echo', { _ms: 'x' }, 400],
    ['a status that is no error', 'echo', { _status: 200 }, 400],
  ])('refuse %s', async (_, name, args, status) => {
    expect((await tool(name, args)).status).toBe(status);
  });
});

describe('the call log', () => {
  test('notes models and tools, finds them by text, and hides the key', async () => {
    const headers = { authorization: 'Bearer sk-secret', traceparent: '00-1-2-01', 'idempotency-key': 'k1' };
    await (await ask(model.url, '!text 1\nlabel-7', { model: 'm7' }, { headers })).text();
    await (await tool('echo', { label: 'label-7' }, { headers })).text();
    const kept = { authorization: '[redacted]', traceparent: '00-1-2-01', 'idempotency-key': 'k1' };
    const found = await calls('label-7');
    expect(found).toMatchObject([
      { kind: 'model', model: 'm7', messages_count: 1, arguments: null, ended: 'complete', headers: kept },
      { kind: 'tool', name: 'echo', model: null, arguments: { label: 'label-7' }, ended: 'complete', headers: kept },
    ]);
    expect(found.map((call) => call.idempotency_key)).toEqual(['k1', 'k1']);
    expect(Math.abs(Date.now() - (found[0]?.at ?? 0))).toBeLessThan(5_000);
    expect(model.calls().filter((call) => call.idempotency_key === 'k1')).toEqual(found);
    expect(await calls('label-8')).toEqual([]);
  });

  test('tells the endpoint, the parameters and the tools of a request', async () => {
    const function_ = { type: 'function', function: { name: 'f', parameters: {} } };
    const chat = {
      temperature: 0.5,
      user: 'u',
      logprobs: true,
      top_logprobs: 1,
      tools: [function_],
      tool_choice: 'auto',
    };
    await (await ask(model.url, '!text 1\nlabel-params', chat)).text();
    const flat = { type: 'function', name: 'g', parameters: {} };
    const responses = { text: { verbosity: 'low' }, tools: [flat, { type: 'web_search' }], max_output_tokens: 16 };
    await (await askResponses(model.url, '!text 1\nlabel-params', responses)).text();
    await (await askResponses(model.url, '!text 1\nlabel-params', { instructions: 'x'.repeat(5_000) })).text();
    const { tools: _, ...chatParameters } = chat;
    const { tools: __, ...responsesParameters } = responses;
    expect(await calls('label-params')).toMatchObject([
      { name: 'chat.completions', parameters: { model: 'demo', ...chatParameters }, tools: ['f'], messages_count: 1 },
      {
        name: 'responses',
        parameters: { model: 'demo', ...responsesParameters },
        tools: ['g', 'web_search'],
        messages_count: 1,
      },
      { parameters: { instructions: expect.stringMatching(/^"x{4095}$/) }, tools: null },
    ]);
    for (const { parameters } of await calls('label-params')) {
      for (const name of ['messages', 'input', 'tools']) expect(parameters).not.toHaveProperty(name);
    }
  });

  test('tells the parameters of a request that is refused', async () => {
    expect((await ask(model.url, 'hi', { tool_choice: 'required', user: 'refused' })).status).toBe(400);
    const refused = (await calls()).filter((call) => call.parameters?.user === 'refused');
    expect(refused).toMatchObject([{ ended: 'error', aborted: false, parameters: { tool_choice: 'required' } }]);
  });

  test('tells whether the client went away', async () => {
    for (const [script, ended, aborted] of [
      ['!text 1', 'complete', false],
      ['!text 2\n!cut 1', 'cut', false],
      ['!text 2\n!hang 1', 'hang', true],
      ['!text 1000 20', 'aborted', true],
    ] as const) {
      const label = `leaving ${ended}`;
      const abort = new AbortController();
      const response = await ask(model.url, `${script}\n${label}`, { stream: true }, { signal: abort.signal });
      const reader = response.body?.getReader();
      await reader?.read();
      if (aborted) abort.abort();
      const closed = async () => (await calls(label))[0]?.closed_at;
      await expect.poll(closed, { interval: 5 }).toEqual(expect.any(Number));
      expect((await calls(label))[0]).toMatchObject({ ended, aborted });
      if (!aborted) await reader?.cancel().catch((error: unknown) => expect(error).toBeInstanceOf(TypeError));
    }
  });

  test('is emptied on DELETE; the counts go on', async () => {
    await (await ask(model.url, '!text 3')).text();
    expect((await fetch(`${model.url}/_calls`, { method: 'DELETE' })).status).toBe(204);
    expect(await calls()).toEqual([]);
    const stats = (await (await fetch(`${model.url}/_stats`)).json()) as Record<string, unknown>;
    expect(stats).toMatchObject({ open: 0, ended: { complete: expect.any(Number) } });
    expect(stats.chunks).toBeGreaterThanOrEqual(3);
    expect(stats.model_calls).toBeGreaterThanOrEqual(1);
  });
});

test('healthz, and 404 for anything else', async () => {
  expect((await fetch(`${model.url}/healthz`)).status).toBe(200);
  expect((await fetch(`${model.url}/v1/nothing`)).status).toBe(404);
});

test('close ends connections that hang', async () => {
  const other = await startDemoModel();
  const hanging = ask(other.url, '!text 2\n!hang 1', { stream: true }).then((response) => response.text());
  await expect.poll(() => other.calls()[0]?.ended, { interval: 5 }).toBe('hang');
  await Promise.all([other.close(), expect(hanging).rejects.toThrow(TypeError)]);
});
