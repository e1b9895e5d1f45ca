/** What an operator is told of what was called. */
import { createHash } from 'node:crypto';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LatencyList } from '../../services/gateway/src/admin-analytics/latencies.ts';
import { latencyList } from '../../services/gateway/src/admin-analytics/latencies.ts';
import type { TimelineResource } from '../../services/gateway/src/admin-analytics/timeline.ts';
import { timelineResource } from '../../services/gateway/src/admin-analytics/timeline.ts';
import { type UsageList, usageList } from '../../services/gateway/src/admin-analytics/usage.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { receivedCalls, SETTLE } from './analytics-stack.ts';
import { type Recorder, startRecorder } from './recorder.ts';

const BOB = 'tr-bob-0123456789abcdef';

let stack: TestStack;
let recorder: Recorder;
let looped: OpenAI.Responses.Response;

beforeAll(async () => {
  recorder = await startRecorder();
  const price = { input: 2, cached_input: 1, output: 10 };
  const model = (name: string) => ({
    name,
    groups: ['everyone'],
    concurrency: 8,
    upstreams: [{ base_url: `${recorder.url}/v1`, model: `${name}-at-home`, price }],
  });
  const look = {
    name: 'look',
    kind: 'http',
    groups: ['everyone'],
    url: `${recorder.url}/tools/echo`,
    idempotent: true,
  };
  stack = await testStack({
    env: SETTLE,
    config: {
      keys: [{ name: 'bob', key: BOB, owner: 'team', groups: ['everyone'] }],
      models: [model('priced')],
      tools: [look],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
  const bob = stack.openai(0, { apiKey: BOB });
  const lines = [
    '!usage 100 10 40 3',
    '!error 503 times=1',
    '!call look {"at":"sea"}',
    '!call look {"at":"moon"}',
    '!turn',
  ];
  looped = await bob.responses.create({ model: 'priced', input: script(...lines, '!usage 200 20', '!text 20 5').text });
  await stack.openai().responses.create({ model: 'demo', input: script('!usage 7 3', '!text 3').text });
});
afterAll(async () => {
  await stack?.stop();
  await recorder?.close();
});

async function admin<T>(path: string, key = stack.adminKey): Promise<{ status: number; body: T }> {
  const answer = await stack.validatingFetch(`${stack.gateways[0]}/admin/v1${path}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  return { status: answer.status, body: (await answer.json()) as T };
}

async function usage(query = ''): Promise<UsageList['data']> {
  const { status, body } = await admin<UsageList>(`/usage${query}`);
  expect([status, body]).toEqual([200, usageList.parse(body)]);
  return body.data;
}

describe('usage', () => {
  test('adds up to what was received, call by call, and to what responses have used', async () => {
    const [all, ...others] = await usage();
    expect(others).toEqual([]);
    const received = await receivedCalls(stack);
    expect(all?.model_calls).toBe(received.filter(({ kind }) => kind === 'model').length);
    expect(all?.tool_calls).toBe(received.filter(({ kind }) => kind === 'tool').length);
    expect(all).toMatchObject({
      model_calls: 4,
      tool_calls: 2,
      failed_calls: 1,
      unmetered_calls: 1,
      interrupted_calls: 0,
    });
    const { input_tokens = 0, output_tokens = 0 } = looped.usage ?? {};
    expect([all?.input_tokens, all?.output_tokens]).toEqual([input_tokens + 7, output_tokens + 3]);
    expect([all?.cached_tokens, all?.reasoning_tokens]).toEqual([40, 3]);
  });

  test('costs what the prices say, exactly', async () => {
    const lines = await usage('?group_by=model');
    const cost = Object.fromEntries(lines.map((line) => [line.model, line.cost]));
    // (60 · 2 + 40 · 1 + 10 · 10 + 200 · 2 + 20 · 10) / 1,000,000
    expect(cost).toEqual({ priced: '0.00086', demo: null, null: null });
  });

  test('by key, by owner, by upstream, by tool', async () => {
    const by = async (group: string) =>
      (await usage(`?group_by=${group}`)).map((line) => [line[group as 'key'], line.model_calls, line.tool_calls]);
    expect(await by('key')).toEqual([
      ['bob', 3, 2],
      ['local', 1, 0],
    ]);
    expect(await by('owner')).toEqual([
      ['local', 1, 0],
      ['team', 3, 2],
    ]);
    expect(await by('tool')).toEqual([
      [null, 4, 0],
      ['look', 0, 2],
    ]);
    expect(await by('upstream_model')).toEqual([
      [null, 0, 2],
      ['demo', 1, 0],
      ['priced-at-home', 3, 0],
    ]);
    expect(await usage('?key=bob&model=priced')).toMatchObject([{ model_calls: 3, tool_calls: 0 }]);
  });

  test('by hour, page by page', async () => {
    const hours = await usage('?bucket_width=1h');
    expect(hours.reduce((sum, line) => sum + line.model_calls, 0)).toBe(4);
    const first = await admin<UsageList>('/usage?group_by=key&limit=1');
    const second = await admin<UsageList>(`/usage?group_by=key&limit=1&page=${first.body.next_page}`);
    expect([first.body.has_more, second.body.has_more, second.body.next_page]).toEqual([true, false, null]);
    expect([...first.body.data, ...second.body.data]).toMatchObject([{ key: 'bob' }, { key: 'local' }]);
  });

  test('is refused where the query is wrong, and to everybody but the operator', async () => {
    expect(await admin('/usage?group_by=secrets')).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_value' } },
    });
    expect(await admin('/usage?who=bob')).toMatchObject({
      status: 400,
      body: { error: { code: 'unknown_parameter' } },
    });
    for (const path of ['/usage', '/latencies', `/responses/${looped.id}/timeline`]) {
      expect(await admin(path, BOB)).toMatchObject({ status: 401, body: { error: { code: 'invalid_api_key' } } });
    }
  });
});

test('latencies: of models to the first token, for each token and in all; of tools in all', async () => {
  const { status, body } = await admin<LatencyList>('/latencies?group_by=model,tool&key=bob');
  expect([status, body]).toEqual([200, latencyList.parse(body)]);
  const [model, tool] = body.data;
  expect(model).toMatchObject({
    kind: 'model',
    model: 'priced',
    duration_ms: { count: 2 },
    first_token_ms: { count: 2 },
  });
  // The second call says 20 chunks, 5 ms from one to the next; its upstream counts 20 tokens.
  expect(model?.output_token_ms?.p99).toBeGreaterThan(2);
  expect(model?.output_token_ms?.p99).toBeLessThan(50);
  expect(model?.duration_ms?.p99).toBeGreaterThanOrEqual(model?.first_token_ms?.p99 ?? 0);
  expect(tool).toMatchObject({ kind: 'tool', tool: 'look', first_token_ms: null, duration_ms: { count: 2 } });
});

describe('a timeline', () => {
  async function timeline(query = ''): Promise<TimelineResource> {
    const { status, body } = await admin<TimelineResource>(`/responses/${looped.id}/timeline${query}`);
    expect([status, body]).toEqual([200, timelineResource.parse(body)]);
    return body;
  }

  test('tells each step with its calls, as those who were called know them', async () => {
    const told = await timeline();
    expect(told).toMatchObject({ id: looped.id, owner: 'team', key: 'bob', status: 'completed', has_more: false });
    expect(told.steps.map(({ kind, name, state }) => [kind, name, state])).toEqual([
      ['model_call', 'priced', 'completed'],
      ['tool_call', 'look', 'completed'],
      ['tool_call', 'look', 'completed'],
      ['model_call', 'priced', 'completed'],
    ]);
    const calls = told.steps.flatMap((step) => step.calls);
    expect(calls.map(({ status }) => status)).toEqual([503, 200, 200, 200, 200]);
    const received = new Set((await receivedCalls(stack)).map((call) => call.client_request_id));
    expect(calls.filter(({ id }) => !received.has(id))).toEqual([]);
    expect(calls[1]).toMatchObject({
      upstream_model: 'priced-at-home',
      input_tokens: 100,
      cached_tokens: 40,
      cost: '0.00026',
    });
    for (const step of told.steps) {
      expect(step.added_ms).toBeLessThanOrEqual(step.ended_ms ?? -1);
      expect(step.ended_ms).toBeLessThanOrEqual(told.duration_ms ?? -1);
    }
  });

  test('comes page by page', async () => {
    const first = await timeline('?limit=3');
    const rest = await timeline(`?limit=3&after=${first.steps.at(-1)?.sequence}`);
    expect([first.steps.length, first.has_more, rest.steps.length, rest.has_more]).toEqual([3, true, 1, false]);
    expect([...first.steps, ...rest.steps]).toEqual((await timeline()).steps);
  });

  test('says nothing of what was said', async () => {
    expect(JSON.stringify(await timeline())).not.toMatch(/sea|moon|w1 /);
  });

  test('of a response that is not there', async () => {
    const nobody = createHash('sha256').update('nobody').digest('hex').slice(0, 32);
    for (const id of [`resp_${nobody}`, 'what']) {
      const answer = await admin(`/responses/${id}/timeline`);
      expect(answer).toMatchObject({ status: 404, body: { error: { code: 'response_not_found' } } });
    }
  });
});
