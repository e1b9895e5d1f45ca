/** What operators look at: steps, health, readiness, metrics, ids, logs. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceRole } from '@tailrace/cli';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const SERVICES: ServiceRole[] = ['gateway', 'orchestrator', 'model-caller', 'tool-runner'];

let stack: TestStack;
let client: OpenAI;

beforeAll(async () => {
  stack = await testStack({
    replicas: { gateway: 2 },
    env: { KEEP_ALIVE_MS: '250', STARTED_AFTER_MS: '50', DRAIN_MS: '1000' },
  });
  client = stack.openai();
});
afterAll(() => stack.stop());

interface StepNode {
  id: string;
  kind: string;
  state: string;
  [field: string]: unknown;
}

async function stepsOf(id: string, gateway = 0): Promise<StepNode[]> {
  const answer = await stack.fetch(`/v1/responses/${id}/steps`, { gateway });
  const body = (await answer.json()) as { object: string; data: StepNode[] };
  expect({ status: answer.status, object: body.object }).toEqual({ status: 200, object: 'list' });
  return body.data;
}

describe('the steps of a response', () => {
  const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const STEP_ID = expect.stringMatching(/^step_[0-9a-f]{32}$/);

  test('while it runs, and afterwards', async () => {
    const { text } = script(
      '!usage 11 5 2 1',
      '!call get_weather {"city":"Oslo","_ms":2500}',
      '!call get_time {"city":"Oslo","_ms":2500,"_status":500}',
      '!turn',
      '!usage 20 3',
      '!say Done.',
    );
    const { id } = await client.responses.create({ model: 'demo', input: text, background: true });
    const running = await eventually('both tools run', async () => {
      const steps = await stepsOf(id, 1);
      return steps.filter((step) => step.state === 'processing' && step.kind === 'tool_call').length === 2 && steps;
    });
    const base = {
      id: STEP_ID,
      object: 'response.step',
      attempt: 1,
      server_label: null,
      created_at: TIME,
      started_at: TIME,
      children: [],
    };
    const model = { ...base, kind: 'model_call', name: 'demo', call_id: null, tool_type: null, error: null };
    const tool = {
      ...base,
      kind: 'tool_call',
      tool_type: 'function',
      usage: null,
      call_id: expect.stringMatching(/^call_/),
    };
    const open = { ended_at: null, duration_ms: null, error: null };
    const ended = { ended_at: TIME, duration_ms: expect.any(Number) };
    const usage = {
      input_tokens: 11,
      input_tokens_details: { cached_tokens: 2 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 1 },
      total_tokens: 16,
    };
    const first = { ...model, ...ended, state: 'completed', sequence: 1, usage };
    expect(running).toEqual([
      first,
      { ...tool, ...open, name: 'get_weather', state: 'processing', sequence: 2 },
      { ...tool, ...open, name: 'get_time', state: 'processing', sequence: 3 },
    ]);
    await eventually('it completes', async () => (await client.responses.retrieve(id)).status === 'completed');
    const steps = await stepsOf(id);
    const error = { code: 'tool_http_error', message: expect.stringContaining('500') };
    expect(steps).toEqual([
      first,
      { ...tool, ...ended, name: 'get_weather', state: 'completed', sequence: 2, error: null },
      { ...tool, ...ended, name: 'get_time', state: 'failed', sequence: 3, error },
      { ...model, ...ended, state: 'completed', sequence: 4, usage: expect.objectContaining({ total_tokens: 23 }) },
    ]);
    expect(steps[1]?.duration_ms).toBeGreaterThanOrEqual(2_450);
    expect(steps.slice(0, 3).map((step) => step.id)).toEqual(running.map((step) => step.id));
    const calls = (await client.responses.retrieve(id)).output.flatMap((item) =>
      item.type === 'function_call' ? [item.call_id] : [],
    );
    expect(steps.slice(1, 3).map((step) => step.call_id)).toEqual(calls);
  });

  test('before the first token', async () => {
    const { text } = script('!hang 0');
    const { id } = await client.responses.create({ model: 'demo', input: text, background: true });
    const [step, more] = await stepsOf(id, 1);
    expect(more).toBeUndefined();
    expect(step).toMatchObject({ kind: 'model_call', sequence: 1, ended_at: null, usage: null });
    const now = await stack.openai(1).responses.retrieve(id);
    expect(now).toMatchObject({ status: 'in_progress', output: [] });
    await eventually('the step is known to run', async () => (await stepsOf(id))[0]?.state === 'processing');
  });
});

describe('a stream that is idle', () => {
  async function rawText(answer: Response): Promise<string> {
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(answer.headers.get('cache-control')).toContain('no-cache');
    return answer.text();
  }

  test('is kept alive by comments, and stays valid', async () => {
    const { text } = script('!text 2 1200');
    const body = JSON.stringify({ model: 'demo', input: text, stream: true });
    const created = await stack.fetch('/v1/responses', { method: 'POST', body });
    const raw = await rawText(created);
    const { frames } = await readFrames(new Response(raw));
    expect(raw.match(/^: keep-alive\n\n/gm)?.length).toBeGreaterThanOrEqual(2);
    expect(raw.replaceAll(': keep-alive\n\n', '')).toBe(`${frames.join('\n\n')}\n\ndata: [DONE]\n\n`);
  });

  test('also when it is retrieved, before its first event of output', async () => {
    const { text } = script('!text 1 1200');
    const { id } = await client.responses.create({ model: 'demo', input: text, background: true });
    const raw = await rawText(await stack.fetch(`/v1/responses/${id}?stream=true`, { gateway: 1 }));
    expect(raw).toContain(': keep-alive\n\n');
    expect(raw.endsWith('data: [DONE]\n\n')).toBe(true);
  });
});

describe('the id of a request', () => {
  test('is the trace id of its client, or a new one, on every answer', async () => {
    const trace = randomBytes(16).toString('hex');
    const headers = { traceparent: `00-${trace}-${randomBytes(8).toString('hex')}-01` };
    const body = JSON.stringify({ model: 'demo', input: script('!text 1').text, stream: true });
    const stream = await stack.fetch('/v1/responses', { method: 'POST', body, headers });
    expect(stream.headers.get('x-request-id')).toBe(trace);
    await readFrames(stream);
    const ids = await Promise.all(
      ['/healthz', '/v1/nothing', '/v1/responses/resp_1'].map(async (path) => {
        const answer = await stack.fetch(path, { headers: { traceparent: 'nonsense' } });
        return answer.headers.get('x-request-id');
      }),
    );
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });

  test('is in the logs of every service that had to do with it, with the response and its steps', async () => {
    const trace = randomBytes(16).toString('hex');
    const headers = { traceparent: `00-${trace}-${randomBytes(8).toString('hex')}-01` };
    const { text } = script('!call get_time {"city":"Oslo","_ms":1}');
    const response = await client.responses.create({ model: 'demo', input: text }, { headers });
    const steps = await stepsOf(response.id);
    const lines = await eventually('all of it is logged', async () => {
      const found = (await logLines()).filter((line) => line.correlation_id === trace);
      return found.filter((line) => line.step_id !== undefined).length >= 6 && found;
    });
    expect(new Set(lines.map((line) => line.response_id))).toEqual(new Set([uuidOf(response.id)]));
    const stepIds = lines.flatMap((line) => (line.step_id === undefined ? [] : [`step_${hex(line.step_id)}`]));
    expect(new Set(stepIds)).toEqual(new Set(steps.map((step) => step.id)));
    const services = new Set(lines.map((line) => line.service));
    expect([...services].sort()).toEqual(['model-caller', 'orchestrator', 'tool-runner']);
  });

  test('no key is in any log', async () => {
    expect(JSON.stringify(await logLines())).not.toContain(stack.apiKey);
  });
});

interface LogLine {
  service: string;
  correlation_id?: string;
  response_id?: string;
  step_id?: string;
}

const hex = (uuid: string) => uuid.replaceAll('-', '');

async function logLines(): Promise<LogLine[]> {
  const dir = join(stack.dataDir, 'logs');
  const names = (await readdir(dir)).filter((name) => SERVICES.some((service) => name.startsWith(`${service}-`)));
  const texts = await Promise.all(names.map((name) => readFile(join(dir, name), 'utf8')));
  return texts.flatMap((text) =>
    text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as LogLine] : [])),
  );
}

function urlOf(role: ServiceRole): string {
  const url = stack.processes().find((process) => process.role === role)?.url;
  if (!url) throw new Error(`there is no ${role}`);
  return url;
}

describe.each(SERVICES)('a %s', (role) => {
  test('tells that it runs, that it can work, and its metrics', async () => {
    const health = await stack.validatingFetch(`${urlOf(role)}/healthz`);
    expect({ status: health.status, body: await health.json() }).toEqual({ status: 200, body: { status: 'ok' } });
    const ready = await stack.validatingFetch(`${urlOf(role)}/readyz`);
    expect({ status: ready.status, body: await ready.json() }).toMatchObject({
      status: 200,
      body: { status: 'ready', checks: { nats: 'ok' } },
    });
    const metrics = await stack.validatingFetch(`${urlOf(role)}/metrics`);
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(await metrics.text()).toMatch(/^process_cpu_seconds_total [\d.]+$/m);
  });
});

test('the metrics of a gateway count its open streams', async () => {
  const openStreams = async () => {
    const text = await (await stack.validatingFetch(`${urlOf('gateway')}/metrics`)).text();
    return Number(/^tailrace_gateway_streams (\d+)$/m.exec(text)?.[1]);
  };
  const before = await openStreams();
  const controller = new AbortController();
  const body = JSON.stringify({ model: 'demo', input: script('!hang 1').text, stream: true });
  const init = { method: 'POST', body, signal: controller.signal };
  await readFrames(await stack.fetch('/v1/responses', init), (frames) => frames.length === 1);
  await eventually('a stream that was left is not counted', async () => (await openStreams()) === before);
  const stream = await stack.fetch('/v1/responses', init);
  const reader = stream.body?.getReader();
  await reader?.read();
  expect(await openStreams()).toBe(before + 1);
  controller.abort();
  await eventually('the stream is closed', async () => (await openStreams()) === before);
});
