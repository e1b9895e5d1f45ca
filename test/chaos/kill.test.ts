/** Each role killed or frozen at its worst moment: the response completes, and I1–I6 hold. */
import type { Role } from '@tailrace/cli';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { activeSteps, activeWorker } from '../harness/active-worker.ts';
import { eventually } from '../harness/eventually.ts';
import { type Followed, follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const SERVICES: ReadonlySet<Role> = new Set(['gateway', 'orchestrator', 'model-caller', 'tool-runner']);

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    replicas: { gateway: 2, modelCaller: 2, toolRunner: 2 },
    restart: true,
    env: { ACK_WAIT_MS: '1000' },
  });
});
afterAll(() => stack.stop());

/** What the client pieced together is what an uninterrupted client would have seen, and it is whole. */
async function expectSound(followed: Followed) {
  const whole = await readFrames(await stack.fetch(`/v1/responses/${followed.id}?stream=true`, { gateway: 1 }));
  expect(followed.frames).toEqual(whole.frames);
  return expectWhole(stack, followed);
}

/** Starts following, and resolves `reached` when that many frames have come. */
function followUntil(text: string, count: number) {
  let resolve: (id: string) => void = () => undefined;
  const reached = new Promise<string>((done) => {
    resolve = done;
  });
  const followed = follow(stack, text, {
    onFrame: (frames, id) => {
      if (frames.length === count) resolve(id);
    },
  });
  return { reached, followed };
}

async function attemptsOf(id: string): Promise<number[]> {
  const { rows } = await stack.database.query<{ attempt: number }>(
    'SELECT attempt FROM response_steps WHERE response_id = $1 ORDER BY sequence',
    [uuidOf(id)],
  );
  return rows.map((row) => row.attempt);
}

describe('kill -9 of the model-caller in mid-stream', () => {
  test('a model that says the same again: the stream goes on where it was', async () => {
    const { text, marker } = script('!text 75 20');
    const { reached, followed } = followUntil(text, 15);
    await reached;
    const worker = await activeWorker(stack, 'model-caller');
    await stack.kill('model-caller', worker.index);
    const stream = await followed;
    const response = await expectSound(stream);
    expect(response.status).toBe('completed');
    expect(response.output.map((item) => 'status' in item && item.status)).toEqual(['completed']);
    expect(await attemptsOf(stream.id)).toEqual([2]);
    expect((await callsWith(stack, marker)).length).toBe(2);
  });

  test('a model that says something else: the open item is given up, and another takes its place', async () => {
    const { text } = script('!vary 75 20');
    const { reached, followed } = followUntil(text, 15);
    await reached;
    const worker = await activeWorker(stack, 'model-caller');
    await stack.kill('model-caller', worker.index);
    const response = await expectSound(await followed);
    expect(response.status).toBe('completed');
    expect(response.output.map((item) => 'status' in item && item.status)).toEqual(['incomplete', 'completed']);
    const [given] = response.output;
    expect(given?.type === 'message' ? given.content : undefined).toEqual([]);
  });

  test('the step that was recorded before is not run again', async () => {
    const { text, marker } = script('!call get_time {"city":"Rome"}', '!turn', '!text 75 20');
    const { reached, followed } = followUntil(text, 25);
    await reached;
    const worker = await activeWorker(stack, 'model-caller');
    await stack.kill('model-caller', worker.index);
    const stream = await followed;
    expect((await expectSound(stream)).status).toBe('completed');
    expect(await attemptsOf(stream.id)).toEqual([1, 1, 2]);
    expect((await callsWith(stack, marker)).length).toBe(3);
  });
});

test('a frozen model-caller that wakes after its work was taken over appends nothing', async () => {
  const { text, marker } = script('!text 75 20');
  const { reached, followed } = followUntil(text, 15);
  const id = await reached;
  const frozen = await activeWorker(stack, 'model-caller');
  process.kill(frozen.pid, 'SIGSTOP');
  const stream = await followed;
  const before = await stack.logEnd(stream.id);
  process.kill(frozen.pid, 'SIGCONT');
  await eventually('the frozen worker lets go of its step', async () => (await activeSteps(frozen.url)) === 0);
  expect(await stack.logEnd(id)).toEqual(before);
  await expectSound(stream);
  expect(await attemptsOf(id)).toEqual([expect.toSatisfy((attempt: number) => attempt >= 2)]);
  expect((await callsWith(stack, marker)).length).toBe(2);
});

test('kill -9 of the tool-runner in mid-call: the call is made again under the same key', async () => {
  const marker = `city-${crypto.randomUUID()}`;
  const { text } = script(`!call get_weather {"city":"${marker}","_ms":1200}`, '!turn', '!text 5');
  const followed = follow(stack, text);
  const calling = await eventually('the tool is being called', async () =>
    (await callsWith(stack, `"${marker}"`)).find(isTool),
  );
  const worker = await activeWorker(stack, 'tool-runner');
  await stack.kill('tool-runner', worker.index);
  const stream = await followed;
  const response = await expectSound(stream);
  expect(response.status).toBe('completed');
  const calls = (await callsWith(stack, `"${marker}"`)).filter(isTool);
  expect(calls.length).toBe(2);
  expect(new Set(calls.map((call) => call.idempotency_key))).toEqual(new Set([calling.idempotency_key]));
  expect(await attemptsOf(stream.id)).toEqual([1, 2, 1]);
});

function isTool(call: { kind: string }): boolean {
  return call.kind === 'tool';
}

test('kill -9 of the gateway in mid-stream: the client goes on at the other one', async () => {
  const { text } = script('!call get_time {"city":"Rome"}', '!turn', '!text 60 20');
  const { reached, followed } = followUntil(text, 30);
  await reached;
  await stack.kill('gateway', 0);
  const stream = await followed;
  expect(stream.attaches).toBeGreaterThan(0);
  await stack.ready('gateway', 0);
  expect((await expectSound(stream)).status).toBe('completed');
});

test('kill -9 of everything at once: the response completes when the services are back', async () => {
  const { text } = script('!call get_time {"city":"Rome"}', '!turn', '!text 60 20');
  const { reached, followed } = followUntil(text, 25);
  await reached;
  const services = stack.processes().filter(({ role }) => SERVICES.has(role));
  await Promise.all(services.map(({ role, index }) => stack.kill(role, index)));
  const stream = await followed;
  await stack.ready('gateway', 0);
  await stack.ready('gateway', 1);
  expect((await expectSound(stream)).status).toBe('completed');
  expect(stream.frames.map(eventOf).at(-1)?.type).toBe('response.completed');
});
