/** A step that kills each of its workers at once: it is silent for the sweep before its message was delivered often enough. */
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const MESSAGES = 3;
const armory = mkdtempSync(join(tmpdir(), 'tailrace-crash-'));
let stack: TestStack;

beforeAll(async () => {
  // The defaults' proportions, a tenth of their times.
  const sweep = {
    SWEEP_AFTER_MS: '6000',
    SWEEP_EVERY_MS: '1500',
    HEARTBEAT_MS: '1500',
    STEP_MESSAGES: String(MESSAGES),
  };
  stack = await testStack({
    replicas: { orchestrator: 1, modelCaller: 2 },
    restart: true,
    env: { CRASH_DIR: armory, MAX_DELIVER: '10', ACK_WAIT_MS: '1000', ...sweep },
  });
});
afterAll(async () => {
  await stack.stop();
  await rm(armory, { recursive: true, force: true });
});

test('is given up after its last message', { timeout: 120_000 }, async () => {
  const over = new AbortController();
  const arming = (async () => {
    while (!over.signal.aborted) {
      await writeFile(join(armory, 'before-model-seal'), '');
      await sleep(30);
    }
  })();
  const stream = await follow(stack, script('!text 5').text, { timeoutMs: 90_000 });
  over.abort();
  await arming;
  await rm(join(armory, 'before-model-seal'), { force: true });
  const response = await expectWhole(stack, stream);
  expect(response).toMatchObject({ status: 'failed', error: { code: 'attempts_exhausted' } });
  const { rows } = await stack.database.query<{ attempt: number; letters: string }>(
    `SELECT attempt, (SELECT count(*) FROM dead_letters AS letter WHERE letter.step_id = step.id) AS letters
     FROM response_steps AS step WHERE response_id = $1`,
    [uuidOf(stream.id)],
  );
  expect(rows).toMatchObject([{ letters: '1' }]);
  expect(rows[0]?.attempt).toBeLessThanOrEqual(MESSAGES * 100);
});
