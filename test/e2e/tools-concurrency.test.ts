/** A limit holds for all processes together: never more than it at once, and full use of it. */
import { randomUUID } from 'node:crypto';
import type { Call } from '@tailrace/demo-model';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { activeSteps } from '../harness/active-worker.ts';
import { mostAtOnce, type Span, useOf } from '../harness/concurrency.ts';
import { eventually } from '../harness/eventually.ts';
import { startMcpServer, type TestMcpServer } from '../harness/mcp-server.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { type Recorder, startRecorder } from './recorder.ts';

const LIMIT = 4;
const CALLS = 32;
/** Long beside the time between an answer and the next call, also on a machine that is busy with other tests. */
const CALL_MS = 480;
/** What is left is that time. */
const WELL_USED = 0.6;

let stack: TestStack;
let recorder: Recorder;
let mcp: TestMcpServer;

beforeAll(async () => {
  recorder = await startRecorder();
  mcp = await startMcpServer();
  const upstreams = [{ base_url: `${recorder.url}/v1`, model: 'upstream-name' }];
  const url = `${recorder.url}/tools/echo`;
  stack = await testStack({
    replicas: { toolRunner: 3, modelCaller: 3 },
    config: {
      models: [
        { name: 'wide', upstreams },
        { name: 'narrow', upstreams, concurrency: LIMIT },
        { name: 'with-server', upstreams },
      ],
      tools: [
        { name: 'limited', kind: 'http', models: ['wide'], url, concurrency: LIMIT },
        { name: 'free', kind: 'http', models: ['wide'], url, concurrency: 64 },
        { name: 'rated', kind: 'http', models: ['wide'], url, calls_per_minute: 5, idempotent: true },
        {
          name: 'server',
          kind: 'mcp',
          models: ['with-server'],
          url: mcp.url,
          concurrency: LIMIT,
          require_approval: 'never',
        },
      ],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
  await mcp.close();
});

const call = (tool: string, args: Record<string, unknown>) => `!call ${tool} ${JSON.stringify(args)}`;
const calls = (tool: string, args: Record<string, unknown>, count = CALLS) =>
  Array.from({ length: count }, (_, n) => call(tool, { ...args, n }));

const spanOf = ({ at, closed_at }: Call): Span => ({ from: at, to: closed_at ?? Number.POSITIVE_INFINITY });

async function toolSpans(q: string): Promise<Span[]> {
  return (await callsWith(stack, q)).filter(({ kind }) => kind === 'tool').map(spanOf);
}

function expectLimited(spans: readonly Span[]): void {
  expect(spans).toHaveLength(CALLS);
  expect(mostAtOnce(spans)).toBe(LIMIT);
  expect(useOf(LIMIT, spans)).toBeGreaterThan(WELL_USED);
}

describe('with three tool-runners', () => {
  test('a tool is called by as many at once as its limit says', async () => {
    const q = randomUUID();
    const { text } = script(...calls('limited', { q, _ms: CALL_MS }), '!turn', '!say Done.');
    const response = await stack.openai().responses.create({ model: 'wide', input: text });
    expect(response.output_text).toBe('Done.');
    expectLimited(await toolSpans(q));
  });

  test('the calls of an MCP server are limited the same way', async () => {
    const text = randomUUID();
    const { text: input } = script(...calls('sleep', { ms: CALL_MS, text }), '!turn', '!say Done.');
    const response = await stack.openai().responses.create({ model: 'with-server', input });
    expect(response.output_text).toBe('Done.');
    const made = mcp.calls.filter((each) => each.arguments.text === text);
    expectLimited(made.map(({ at, endedAt }) => ({ from: at, to: endedAt ?? Number.POSITIVE_INFINITY })));
  });

  test('a slow tool does not hold up another one', async () => {
    const [slow, quick] = [randomUUID(), randomUUID()];
    const { text } = script(...calls('limited', { q: slow, _ms: 300 }, 12), ...calls('free', { q: quick }, 12));
    await stack.openai().responses.create({ model: 'wide', input: text });
    const last = Math.max(...(await toolSpans(quick)).map(({ to }) => to));
    const spans = await toolSpans(slow);
    expect(spans.filter(({ to }) => to > last).length).toBeGreaterThanOrEqual(4);
  });

  test('a tool that may be called five times in a minute is, and then waited for', async () => {
    const q = randomUUID();
    const { text } = script(...calls('rated', { q }, 8));
    const client = stack.openai();
    const response = await client.responses.create({ model: 'wide', input: text, background: true });
    const waiting = async () => {
      const runners = stack.processes().filter(({ role }) => role === 'tool-runner');
      const active = await Promise.all(runners.map(({ url }) => activeSteps(url ?? '')));
      return active.reduce<number>((sum, each) => sum + (each ?? 0), 0) === 3;
    };
    await eventually(
      'five are called, and three wait',
      async () => (await toolSpans(q)).length === 5 && (await waiting()),
    );
    expect(await toolSpans(q)).toHaveLength(5);
    await client.responses.cancel(response.id);
    await eventually('nobody waits any more', async () => !(await waiting()));
    expect(await toolSpans(q)).toHaveLength(5);
  });
});

test('with three model-callers, a model is called by as many at once as its limit says', async () => {
  const scripts = Array.from({ length: CALLS }, () => script(`!text 6 ${CALL_MS / 6}`));
  const client = stack.openai();
  await Promise.all(scripts.map(({ text }) => client.responses.create({ model: 'narrow', input: text })));
  const made = await Promise.all(scripts.map(({ marker }) => callsWith(stack, marker)));
  expectLimited(made.flat().map(spanOf));
});
