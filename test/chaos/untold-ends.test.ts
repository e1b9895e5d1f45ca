/** The end of a response is committed, and the process dies before it is told in the log: nobody asks it to go on. */
import { mkdtempSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const armory = mkdtempSync(join(tmpdir(), 'tailrace-crash-'));
let stack: TestStack;

beforeAll(async () => {
  const sweep = { SWEEP_EVERY_MS: '500', SWEEP_AFTER_MS: '2000', HEARTBEAT_MS: '500' };
  const env = { CRASH_DIR: armory, ACK_WAIT_MS: '2000', RESPONSE_DEADLINE: '3s', TIDY_EVERY_MS: '200', ...sweep };
  stack = await testStack({ restart: true, env });
});
afterAll(async () => {
  await stack.stop();
  await rm(armory, { recursive: true, force: true });
});

test('a response that is overdue: whoever follows it sees its end, and its log gets it', {
  timeout: 60_000,
}, async () => {
  await writeFile(join(armory, 'after-cancel-commit'), '');
  const { text } = script('!call get_weather {"city":"x","_ms":20000}', '!turn', '!text 3');
  const stream = await follow(stack, text, { timeoutMs: 30_000 });
  const response = await expectWhole(stack, stream);
  expect(response).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' } });
  expect(await readdir(armory)).toEqual([]);
  await eventually('the log says so, too', async () => (await stack.logEnd(stream.id))?.meta.ended === 'failed');
});
