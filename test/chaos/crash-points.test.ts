/** Kill exactly there: at every boundary between a commit and a publish, or a publish and an acknowledgement. */
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CrashPoint } from '@tailrace/service';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const armory = mkdtempSync(join(tmpdir(), 'tailrace-crash-'));
let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    replicas: { orchestrator: 2, modelCaller: 2, toolRunner: 2 },
    restart: true,
    env: { CRASH_DIR: armory, ACK_WAIT_MS: '1000' },
  });
});
afterAll(async () => {
  await stack.stop();
  await rm(armory, { recursive: true, force: true });
});

/** Every point, and what may have been asked once more than without the crash: both tools, if one process ran both. */
const POINTS: Record<
  Exclude<CrashPoint, `${string}-cancel-commit` | 'after-tool-begin' | 'after-take-up'>,
  { again: 'nothing' | 'model' | 'tool' }
> = {
  'before-create-commit': { again: 'nothing' },
  'after-create-commit': { again: 'nothing' },
  'after-create-append': { again: 'nothing' },
  'before-result-commit': { again: 'nothing' },
  'after-result-commit': { again: 'nothing' },
  'after-result-append': { again: 'nothing' },
  'before-result-ack': { again: 'nothing' },
  'before-model-seal': { again: 'model' },
  'after-model-seal': { again: 'nothing' },
  'after-tool-call': { again: 'tool' },
  'before-work-ack': { again: 'tool' },
};

test.each(Object.entries(POINTS))('a crash %s', async (point, { again }) => {
  const city = `city-${crypto.randomUUID()}`;
  const { text, marker } = script(
    '!reasoning 2',
    `!call get_weather {"city":"${city}"}`,
    `!call get_time {"city":"${city}"}`,
    '!turn',
    '!text 5',
  );
  const file = join(armory, point);
  await writeFile(file, '');
  const stream = await follow(stack, text);
  const response = await expectWhole(stack, stream);
  await expect(rm(file), 'the point was not reached').rejects.toMatchObject({ code: 'ENOENT' });
  expect(response.status).toBe('completed');
  expect(response.output.map((item) => item.type)).toEqual([
    'reasoning',
    'function_call',
    'function_call',
    'function_call_output',
    'function_call_output',
    'message',
  ]);
  const modelCalls = (await callsWith(stack, marker)).filter((call) => call.kind === 'model').length;
  const tools = (await callsWith(stack, city)).filter((call) => call.kind === 'tool');
  expect(modelCalls, 'calls of the model').toBeGreaterThanOrEqual(2);
  expect(modelCalls, 'calls of the model').toBeLessThanOrEqual(again === 'model' ? 3 : 2);
  expect(tools.length, 'calls of tools').toBeLessThanOrEqual(again === 'tool' ? 4 : 2);
  expect(new Set(tools.map((call) => call.idempotency_key)).size).toBe(2);
  const roles = ['orchestrator', 'model-caller', 'tool-runner'] as const;
  await Promise.all(roles.flatMap((role) => [stack.start(role, 0), stack.start(role, 1)]));
});
