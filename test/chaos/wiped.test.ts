/** JetStream loses everything while responses run: it only costs time. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { foldEvents, TERMINAL_EVENTS } from '@tailrace/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { follow } from '../harness/follow.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, idOf } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const RESPONSES = Number(process.env.WIPED_RESPONSES ?? 20);
/** Between two chunks of an answer: all have begun before the first one ends, however many there are. */
const PACE_MS = Math.max(20, Math.ceil(RESPONSES / 4));
const TIMEOUT_MS = 90_000 + RESPONSES * 200;

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    replicas: { orchestrator: 2, modelCaller: 2 },
    env: {
      WORKER_CONCURRENCY: String(RESPONSES + 256),
      LOST_LOG_CHECK_MS: '500',
      SWEEP_AFTER_MS: '20000',
      SWEEP_EVERY_MS: '2000',
      HEARTBEAT_MS: '2000',
    },
  });
  const upstreams = [{ base_url: `${stack.demoModelUrl}/v1`, model: 'demo' }];
  const answer = await stack.fetch('/admin/v1/models/demo', {
    method: 'PUT',
    headers: { authorization: `Bearer ${stack.adminKey}` },
    body: JSON.stringify({ groups: ['everyone'], upstreams, concurrency: RESPONSES + 64 }),
  });
  expect(answer.status).toBe(200);
});
afterAll(() => stack.stop());

test(`wiped while ${RESPONSES} responses run: all end, and their clients see it`, { timeout: TIMEOUT_MS }, async () => {
  const runs = Array.from({ length: RESPONSES }, (_, index) => {
    const city = `city-${crypto.randomUUID()}`;
    const made = script(
      '!reasoning 2',
      `!call get_weather {"city":"${city}","_ms":50}`,
      '!turn',
      `!text ${100 + (index % 20) * 4} ${PACE_MS}`,
      '!turn',
      '!text 3',
    );
    return { ...made, city };
  });
  /** The runs whose tool's output had been recorded, because the answer that follows it had begun. */
  const recorded = new Set<number>();
  let wiped: Promise<void> | undefined;
  const wipe = async () => {
    stack.checks.allowLostLogs();
    await stack.kill('nats', 0, 'SIGKILL');
    await rm(join(stack.dataDir, 'nats'), { recursive: true, force: true });
    await stack.start('nats', 0);
  };
  const streams = await Promise.all(
    runs.map(({ text }, index) =>
      follow(stack, text, {
        timeoutMs: TIMEOUT_MS,
        onFrame: (frames) => {
          const answers = frames.at(-1)?.startsWith('event: response.output_text.delta') ?? false;
          if (!answers || wiped !== undefined) return;
          recorded.add(index);
          if (recorded.size === Math.ceil(RESPONSES * 0.75)) wiped = wipe();
        },
      }),
    ),
  );
  await wiped;
  for (const [index, stream] of streams.entries()) {
    const events = stream.frames.map(eventOf);
    const numbers = stream.frames.map(idOf);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(events.filter((event) => TERMINAL_EVENTS.has(event.type))).toHaveLength(1);
    const begun = events.findLastIndex((event) => event.type === 'response.created');
    const response = foldEvents(events.slice(begun));
    expect(response.status).toBe('completed');
    expect(await (await stack.fetch(`/v1/responses/${stream.id}`)).json()).toEqual(response);
    if (!recorded.has(index)) continue;
    const run = runs[index];
    const tools = (await callsWith(stack, run?.city ?? '')).filter((call) => call.kind === 'tool');
    expect(tools.length, 'a tool whose output was recorded is not called again').toBe(1);
  }
});
