/** Tools that must not be called twice: whatever dies, they are called once at the most, and the model is told. */
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Recorder, startRecorder } from '../e2e/recorder.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const armory = mkdtempSync(join(tmpdir(), 'tailrace-crash-'));
let stack: TestStack;
let recorder: Recorder;

beforeAll(async () => {
  recorder = await startRecorder();
  const parameters = { type: 'object' };
  const url = `${recorder.url}/tools/echo`;
  stack = await testStack({
    replicas: { orchestrator: 1, toolRunner: 2 },
    restart: true,
    env: { CRASH_DIR: armory },
    config: { tools: [{ name: 'pay', kind: 'http', parameters, url, idempotent: false, timeout_ms: 20_000 }] },
  });
  recorder.forwardTo(stack.demoModelUrl);
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
  await rm(armory, { recursive: true, force: true });
});

test.each([
  ['after-tool-begin', 0],
  ['after-tool-call', 1],
] as const)('a crash %s', async (point, called) => {
  const payment = `payment-${crypto.randomUUID()}`;
  const { text } = script(`!call pay {"payment":"${payment}"}`, '!turn', '!say It is done.');
  await writeFile(join(armory, point), '');
  const response = await expectWhole(stack, await follow(stack, text));
  expect(response.status).toBe('completed');
  const output = response.output.find((item) => item.type === 'function_call_output');
  expect(JSON.parse(output?.output ?? '')).toMatchObject({ error: { code: 'tool_interrupted' } });
  const calls = (await callsWith(stack, payment)).filter((call) => call.kind === 'tool');
  expect(calls).toHaveLength(called);
});

test('a runner that had not begun: another one makes the call', async () => {
  const payment = `payment-${crypto.randomUUID()}`;
  const { text } = script(`!call pay {"payment":"${payment}"}`, '!turn', '!say It is done.');
  for (const index of [0, 1]) {
    await stack.ready('tool-runner', index);
    await stack.kill('tool-runner', index);
  }
  const response = await expectWhole(stack, await follow(stack, text));
  expect(response.output.find((item) => item.type === 'function_call_output')?.output).toContain(payment);
});
