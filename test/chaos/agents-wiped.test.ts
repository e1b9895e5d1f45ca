/** JetStream loses everything while agents run side by side: it only costs time. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { foldEvents, type ResponseEvent, TERMINAL_EVENTS } from '@tailrace/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Recorder, startRecorder } from '../e2e/recorder.ts';
import { agentConfig, flat, progressIn, stepsOf, threeLevels } from '../harness/agents.ts';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { eventOf, idOf } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

let stack: TestStack;
let recorder: Recorder;

beforeAll(async () => {
  recorder = await startRecorder();
  stack = await testStack({
    replicas: { orchestrator: 2, modelCaller: 2 },
    env: { LOST_LOG_CHECK_MS: '500', SWEEP_AFTER_MS: '20000', SWEEP_EVERY_MS: '2000', HEARTBEAT_MS: '2000' },
    config: agentConfig(recorder.url),
  });
  recorder.forwardTo(stack.demoModelUrl);
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
});

test('wiped while the innermost agents of two responses talk: all end, with the trees they would have had', async () => {
  const runs = [false, true].map((shown) => ({ shown, ...threeLevels(['!text 100 20']) }));
  const following = runs.map(({ text, shown }) =>
    follow(stack, text, { timeoutMs: 90_000, body: shown ? { include: ['tailrace.progress'] } : {} }),
  );
  await eventually('all eight are talking', async () => {
    const open = await Promise.all(runs.map(async ({ marker }) => (await callsWith(stack, marker)).filter(isOpen)));
    return open.every((calls) => calls.length === 4);
  });
  stack.checks.allowLostLogs();
  await stack.kill('nats', 0, 'SIGKILL');
  await rm(join(stack.dataDir, 'nats'), { recursive: true, force: true });
  await stack.start('nats', 0);
  const streams = await Promise.all(following);
  for (const [index, stream] of streams.entries()) {
    const events = stream.frames.map(eventOf);
    const numbers = stream.frames.map(idOf);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(events.filter((event) => TERMINAL_EVENTS.has(event.type))).toHaveLength(1);
    const begun = events.findLastIndex((event) => event.type === 'response.created');
    const response = foldEvents(events.slice(begun));
    expect(response.status).toBe('completed');
    expect(await (await stack.fetch(`/v1/responses/${stream.id}`)).json()).toEqual(response);
    const steps = flat(await stepsOf(stack, stream.id));
    expect(steps).toHaveLength(37);
    expect(new Set(steps.map(({ state }) => state))).toEqual(new Set(['completed']));
    // What the log tells of each agent since it began anew is whole.
    const scopes = new Map<string, ResponseEvent[]>();
    for (const { parent_step_id, event, sequence_number } of progressIn(stream.frames.slice(begun))) {
      const created = events.slice(begun, begun + 1);
      scopes.set(parent_step_id, [...(scopes.get(parent_step_id) ?? created), { ...event, sequence_number }]);
    }
    expect(scopes.size).toBe(runs[index]?.shown ? 10 : 0);
    for (const scope of scopes.values()) {
      const { output } = foldEvents(scope);
      expect(output.at(-1)).toMatchObject({ type: 'message', status: 'completed' });
    }
  }
});

function isOpen(call: { closed_at: number | null }): boolean {
  return call.closed_at === null;
}
