/** Every call that the model and the tools have received is booked once, whatever becomes of the workers that made it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { activeSteps, activeWorker } from '../harness/active-worker.ts';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { allBooked, bookedCalls, receivedCalls, SETTLE } from './analytics-stack.ts';
import { type Recorder, startRecorder } from './recorder.ts';

let stack: TestStack;
let recorder: Recorder;

beforeAll(async () => {
  recorder = await startRecorder();
  const tool = (name: string, idempotent: boolean) => {
    const url = `${recorder.url}/tools/echo`;
    return { name, kind: 'http', groups: ['everyone'], url, idempotent, timeout_ms: 20_000, concurrency: 16 };
  };
  stack = await testStack({
    replicas: { orchestrator: 2, modelCaller: 2, toolRunner: 2 },
    restart: true,
    env: { ...SETTLE, ACK_WAIT_MS: '1000' },
    config: { tools: [tool('look', true), tool('pay', false)] },
  });
  recorder.forwardTo(stack.demoModelUrl);
});
afterAll(async () => {
  await stack?.stop();
  await recorder?.close();
});
beforeEach(async () => {
  await fetch(`${stack.demoModelUrl}/_calls`, { method: 'DELETE' });
  await stack.database.query('TRUNCATE http_analytics, tool_call_analytics');
});

/** The same calls on both sides: each that was received is booked, and each that was booked was received. */
async function expectSame() {
  await allBooked(stack);
  const booked = await bookedCalls(stack);
  const received = await receivedCalls(stack);
  expect(booked.map(({ id }) => id).sort()).toEqual(received.map((call) => call.client_request_id).sort());
  return booked;
}

/** Follows a response, and tells as soon as one of its calls has been received. */
function calling(lines: string[]) {
  const { text, marker } = script(...lines);
  const followed = follow(stack, text);
  const received = (kind: 'model' | 'tool', of = marker) =>
    eventually(`a ${kind} is called`, async () => (await callsWith(stack, of)).find((call) => call.kind === kind));
  return { followed, received };
}

test('without faults: each call once, with what it came to', async () => {
  await follow(
    stack,
    script('!error 503 times=1', '!call look {"at":"sea"}', '!call pay {}', '!turn', '!text 5 5').text,
  );
  const booked = await expectSame();
  expect(booked.map(({ status, error_code }) => [status, error_code])).toEqual([
    [503, 'upstream_error'],
    [200, null],
    [200, null],
    [200, null],
    [200, null],
  ]);
});

test('kill -9 of the model-caller in mid-call: the call is booked as interrupted', async () => {
  const { followed, received } = calling(['!text 60 20']);
  await received('model');
  await stack.kill('model-caller', (await activeWorker(stack, 'model-caller')).index);
  await followed;
  const booked = await expectSame();
  expect(booked).toMatchObject([
    { attempt: 1, status: null, error_code: 'interrupted', duration_ms: null },
    { attempt: 2, status: 200, error_code: null },
  ]);
});

test.each([
  ['look', [null, 200]],
  ['pay', [null]],
])('kill -9 of the tool-runner in mid-call of %s', async (tool, statuses) => {
  const at = `place-${crypto.randomUUID()}`;
  const { followed, received } = calling([`!call ${tool} {"at":"${at}","_ms":1000}`, '!turn', '!text 3']);
  await received('tool', at);
  await stack.kill('tool-runner', (await activeWorker(stack, 'tool-runner')).index);
  await followed;
  await expectSame();
  const { rows } = await stack.database.query('SELECT status FROM tool_call_analytics ORDER BY started_at');
  expect(rows.map(({ status }) => status)).toEqual(statuses);
});

test('a frozen model-caller whose step was taken over, and that wakes', async () => {
  const { followed, received } = calling(['!text 60 20']);
  await received('model');
  const frozen = await activeWorker(stack, 'model-caller');
  process.kill(frozen.pid, 'SIGSTOP');
  await followed;
  process.kill(frozen.pid, 'SIGCONT');
  await eventually('the frozen worker lets go of its step', async () => (await activeSteps(frozen.url)) === 0);
  // What it had asked for is given to it although it is frozen: another attempt may be needed, but no other call is made.
  const [first, second, ...others] = await expectSame();
  expect([first?.attempt, second?.status, others]).toEqual([1, 200, []]);
  expect(second?.attempt).toBeGreaterThan(1);
});

test('a response that is cancelled in mid-call', async () => {
  const create = (input: string) => stack.openai().responses.create({ model: 'demo', input, background: true });
  const model = script('!text 1000 20');
  const tool = script('!call look {"at":"moon","_ms":20000}');
  for (const { text, marker } of [model, tool]) {
    const { id } = await create(text);
    const [kind, what] = text === tool.text ? ['tool', '"moon"'] : ['model', marker];
    await eventually('it is being called', async () =>
      (await callsWith(stack, what)).some((call) => call.kind === kind),
    );
    await stack.openai().responses.cancel(id);
  }
  const booked = await expectSame();
  const told = booked.map(({ error_code }) => error_code);
  expect(told).toEqual(['response_cancelled', null, expect.stringMatching(/^(interrupted|response_cancelled)$/)]);
});

test('a response that is deleted in mid-call: what it has cost is known all the same', async () => {
  const { text, marker } = script('!text 1000 20');
  const { id } = await stack.openai().responses.create({ model: 'demo', input: text, background: true });
  await eventually('it is being called', async () => (await callsWith(stack, marker)).length > 0);
  await stack.openai().responses.delete(id);
  await expectSame();
  const { rows } = await stack.database.query('SELECT response_id FROM http_analytics');
  expect(rows).toEqual([{ response_id: uuidOf(id) }]);
});

test('kill -9 of workers again and again, under load', async () => {
  const lines = [
    '!reasoning 3 20',
    '!error 503 times=1',
    '!call look {"_ms":300}',
    '!call pay {"_ms":200}',
    '!turn',
    '!text 30 20',
  ];
  const load = Promise.all(
    Array.from({ length: 16 }, () => follow(stack, script(...lines).text, { timeoutMs: 100_000 })),
  );
  for (const [role, index] of [
    ['model-caller', 0],
    ['tool-runner', 1],
    ['model-caller', 1],
    ['tool-runner', 0],
    ['orchestrator', 0],
    ['model-caller', 0],
  ] as const) {
    await stack.ready(role, index);
    await sleep(150);
    await stack.kill(role, index);
  }
  await load;
  await allBooked(stack);
  const booked = await bookedCalls(stack);
  const received = new Set((await receivedCalls(stack)).map((call) => call.client_request_id));
  const known = new Set(booked.map(({ id }) => id));
  expect(
    [...received].filter((id) => id === null || !known.has(id)),
    'received, and not booked',
  ).toEqual([]);
  // A worker may be killed after its note and before its call.
  const unmade = booked.filter(({ id }) => !received.has(id));
  expect(unmade.filter(({ error_code }) => error_code !== 'interrupted')).toEqual([]);
  expect(unmade.length).toBeLessThan(received.size / 4);
  expect(booked.filter(({ error_code }) => error_code === 'interrupted').length).toBeGreaterThan(unmade.length);
}, 150_000);
