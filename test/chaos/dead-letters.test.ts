/** Work that kills whoever takes it: it is tried so often and no oftener, and the queue moves on. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const armory = mkdtempSync(join(tmpdir(), 'tailrace-crash-'));
const ATTEMPTS = 3;
let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    replicas: { orchestrator: 2, modelCaller: 1, toolRunner: 1 },
    restart: true,
    env: { CRASH_DIR: armory, MAX_DELIVER: String(ATTEMPTS), ACK_WAIT_MS: '1000' },
  });
});
afterAll(async () => {
  await stack.stop();
  await rm(armory, { recursive: true, force: true });
});

/** Arms a crash point again and again, until `until` is settled. */
async function crashing<T>(point: string, until: Promise<T>): Promise<T> {
  let over = false;
  const arm = async () => {
    while (!over) {
      await writeFile(join(armory, point), '');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const arming = arm();
  try {
    return await until;
  } finally {
    over = true;
    await arming;
    await rm(join(armory, point), { force: true });
  }
}

const lettersOf = async (id: string) => {
  const { rows } = await stack.database.query<{ id: string; kind: string; source: string; attempts: number }>(
    'SELECT id, kind, source, attempts FROM dead_letters WHERE response_id = $1',
    [uuidOf(id)],
  );
  return rows;
};

test('a model step: the response fails with what had come, the next one runs', { timeout: 90_000 }, async () => {
  const stream = await crashing('before-model-seal', follow(stack, script('!text 5').text, { timeoutMs: 60_000 }));
  const response = await expectWhole(stack, stream);
  expect(response).toMatchObject({ status: 'failed', error: { code: 'attempts_exhausted' } });
  expect(response.output).toMatchObject([{ type: 'message', status: 'incomplete' }]);
  expect(await lettersOf(stream.id)).toMatchObject([{ kind: 'model_call', source: 'demo', attempts: ATTEMPTS }]);
  await stack.ready('model-caller', 0);
  const next = await expectWhole(stack, await follow(stack, script('!text 3').text));
  expect(next.status).toBe('completed');
});

test('is listed, and made again as a new response', async () => {
  const { rows } = await stack.database.query<{ id: string }>('SELECT id FROM dead_letters');
  const letter = rows[0]?.id ?? '';
  const run = async (...args: string[]) => {
    const env = { ...process.env, DATABASE_URL: stack.databaseUrl, NATS_URL: stack.natsUrl };
    const main = new URL('../../packages/cli/src/main.ts', import.meta.url).pathname;
    return (await promisify(execFile)(process.execPath, [main, 'dead-letters', ...args], { env })).stdout.trim();
  };
  expect(await run('list')).toContain(letter);
  const id = await run('redrive', letter);
  const response = await eventually('it has ended', async () => {
    const now = await stack.openai().responses.retrieve(id);
    return now.status === 'completed' ? now : undefined;
  });
  expect(response.output_text).toBe('w1 w2 w3 w4 w5 ');
  expect(await run('list')).toContain(`made again as ${id}`);
  await expect(run('redrive', randomUUID())).rejects.toThrow();
});

test('a tool step: the model reads that it was given up', { timeout: 90_000 }, async () => {
  const city = `city-${crypto.randomUUID()}`;
  const { text } = script(`!call get_weather {"city":"${city}"}`, '!turn', '!text 3');
  const stream = await crashing('after-tool-call', follow(stack, text, { timeoutMs: 60_000 }));
  const response = await expectWhole(stack, stream);
  expect(response.status).toBe('completed');
  const output = response.output.find((item) => item.type === 'function_call_output');
  expect(output?.output).toContain('attempts_exhausted');
  expect(await lettersOf(stream.id)).toMatchObject([{ kind: 'tool_call', source: 'get_weather' }]);
});
