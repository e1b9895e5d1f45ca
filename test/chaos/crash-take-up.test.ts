/** Kill exactly there: while one orchestrator takes up what JetStream has lost, and has done so for some of the responses. */
import { existsSync, mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { foldEvents, TERMINAL_EVENTS } from '@tailrace/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type Followed, follow } from '../harness/follow.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, idOf } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const armory = mkdtempSync(join(tmpdir(), 'tailrace-crash-'));
let stack: TestStack;

beforeAll(async () => {
  // No sweep comes to anybody's help.
  const sweep = { SWEEP_AFTER_MS: '120000', HEARTBEAT_MS: '10000' };
  stack = await testStack({
    replicas: { orchestrator: 2, modelCaller: 2 },
    restart: true,
    env: { CRASH_DIR: armory, LOST_LOG_CHECK_MS: '500', ...sweep },
  });
});
afterAll(async () => {
  await stack.stop();
  await rm(armory, { recursive: true, force: true });
});

/** More than are taken up at once: when the first one has been, the last ones have not been begun. */
const TAKEN_UP = 12;
const STREAM = 'TR_LOG_0';

async function noted(name: string): Promise<string | undefined> {
  const { rows } = await stack.database.query<{ value: string }>('SELECT value FROM installation WHERE name = $1', [
    `${name} ${STREAM}`,
  ]);
  return rows[0]?.value;
}

/** A stream that began anew: numbers that never go back or repeat, one end, and then what `GET` returns. */
async function expectBegunAnew(stream: Followed): Promise<void> {
  const numbers = stream.frames.map(idOf);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  const events = stream.frames.map(eventOf);
  expect(events.filter((event) => TERMINAL_EVENTS.has(event.type))).toHaveLength(1);
  const begun = events.findLastIndex((event) => event.type === 'response.created');
  expect(begun, 'it began anew').toBeGreaterThan(0);
  const response = foldEvents(events.slice(begun));
  expect(response.status).toBe('completed');
  expect(await (await stack.fetch(`/v1/responses/${stream.id}`)).json()).toEqual(response);
}

test('a crash after-take-up: who has the next turn takes up what is left', { timeout: 120_000 }, async () => {
  const made = await eventually('the stream is known', () => noted('stream'));
  const file = join(armory, 'after-take-up');
  const scripts = Array.from({ length: TAKEN_UP }, () => script('!text 150 40'));
  const running = new Set<string>();
  const streams = scripts.map(({ text }) =>
    follow(stack, text, {
      timeoutMs: 90_000,
      onFrame: (frames, id) => {
        if (frames.length > 5) running.add(id);
      },
    }),
  );
  const followed = Promise.all(streams);
  // Its failure is told below.
  void Promise.allSettled([followed]);
  await eventually('all of them run', async () => running.size === TAKEN_UP);
  stack.checks.allowLostLogs();
  await writeFile(file, '');
  await stack.kill('nats', 0, 'SIGKILL');
  await rm(join(stack.dataDir, 'nats'), { recursive: true, force: true });
  await stack.start('nats', 0);
  await eventually('an orchestrator has crashed', async () => !existsSync(file));
  expect(await noted('loss of'), 'the loss is not taken up as a whole').toBeDefined();
  // The lease of a dead process runs out after a while: it does so now.
  await stack.database.query(`UPDATE installation SET value = '0 ' || split_part(value, ' ', 2) WHERE name = $1`, [
    `lease of recovery of ${STREAM}`,
  ]);
  await eventually('the loss is taken up as a whole', async () => (await noted('loss of')) === undefined);
  expect(await noted('stream')).not.toBe(made);
  for (const stream of await followed) await expectBegunAnew(stream);
  for (const { marker } of scripts) {
    const calls = await callsWith(stack, marker);
    expect(calls.length, 'before the loss, and after it').toBeGreaterThanOrEqual(2);
    expect(calls.length, 'and not for each orchestrator').toBeLessThanOrEqual(4);
  }
});
