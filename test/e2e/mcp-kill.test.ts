/** `kill -9` of a tool-runner in the middle of a call of an MCP server, and of an HTTP tool. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { activeWorker } from '../harness/active-worker.ts';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { startMcpServer, type TestMcpServer } from '../harness/mcp-server.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { type Recorder, startRecorder } from './recorder.ts';

let stack: TestStack;
let recorder: Recorder;
let mcp: TestMcpServer;

beforeAll(async () => {
  recorder = await startRecorder();
  mcp = await startMcpServer({ listMs: 800 });
  const server = { kind: 'mcp', url: mcp.url, require_approval: 'never', timeout_ms: 20_000 };
  const upstreams = [{ base_url: `${recorder.url}/v1`, model: 'upstream-name' }];
  stack = await testStack({
    replicas: { toolRunner: 2 },
    restart: true,
    env: { ACK_WAIT_MS: '1000' },
    config: {
      models: ['careful', 'free', 'http'].map((name) => ({ name, upstreams })),
      tools: [
        { ...server, name: 'careful', models: ['careful'], idempotent: false },
        { ...server, name: 'free', models: ['free'], idempotent: true },
        { name: 'look', kind: 'http', models: ['http'], url: `${recorder.url}/tools/echo`, idempotent: true },
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

async function killRunner(): Promise<void> {
  const { index } = await activeWorker(stack, 'tool-runner');
  await stack.kill('tool-runner', index);
}

describe('an MCP server', () => {
  const made = (text: string) => mcp.calls.filter((call) => call.arguments.text === text);

  /** Has a tool called that takes its time, and kills the runner meanwhile. */
  async function interrupted(model: string, text: string) {
    const { text: input } = script(`!call sleep {"ms":800,"text":"${text}"}`, '!turn', '!say Over.');
    const followed = follow(stack, input, { body: { model } });
    await eventually('it is called', async () => made(text).length === 1);
    await killRunner();
    const response = await expectWhole(stack, await followed);
    expect(response.status).toBe('completed');
    return response.output.filter(({ type }) => type === 'mcp_call');
  }

  test('whose calls may be repeated is called again, by another runner', async () => {
    const text = randomUUID();
    expect(await interrupted('free', text)).toMatchObject([{ output: text, error: null }]);
    expect(made(text)).toHaveLength(2);
    expect(new Set(made(text).map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
  });

  test('whose calls may not be repeated is called once, and the model is told', async () => {
    const text = randomUUID();
    const [call] = await interrupted('careful', text);
    expect(JSON.stringify(call)).toContain('may have taken effect');
    expect(made(text)).toHaveLength(1);
  });

  test('whose tools are being listed is asked again', async () => {
    const lists = () => mcp.methods.filter((method) => method === 'tools/list').length;
    // Runners that have been killed have forgotten what they knew; both are to be asked.
    for (const index of [0, 1]) {
      await stack.ready('tool-runner', index);
      await stack.kill('tool-runner', index);
    }
    for (const index of [0, 1]) await stack.ready('tool-runner', index);
    const before = lists();
    const followed = follow(stack, script('!say Over.').text, { body: { model: 'free' } });
    await eventually('it is asked', async () => lists() === before + 1);
    await killRunner();
    const response = await expectWhole(stack, await followed);
    const [list] = response.output.filter(({ type }) => type === 'mcp_list_tools');
    expect(list).toMatchObject({ server_label: 'free', error: null });
    expect(lists()).toBe(before + 2);
  });
});

test('an HTTP tool whose calls may be repeated is called again, by another runner', async () => {
  const q = randomUUID();
  const { text } = script(`!call look {"_ms":800,"q":"${q}"}`, '!turn', '!say Over.');
  const made = async () => (await callsWith(stack, q)).filter(({ kind }) => kind === 'tool');
  const followed = follow(stack, text, { body: { model: 'http' } });
  await eventually('it is called', async () => (await made()).length === 1);
  await killRunner();
  const response = await expectWhole(stack, await followed);
  expect(response.output.find(({ type }) => type === 'function_call_output')).toMatchObject({
    output: expect.stringContaining(q),
  });
  expect(await made()).toHaveLength(2);
});
