/** Work that JetStream has lost is found again from the chain. */
import { type Bus, connectBus, encodeMessage, WORK_STREAM, type Work } from '@tailrace/bus';
import { nextMessageAttempt } from '@tailrace/chain';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    replicas: { orchestrator: 2 },
    env: { SWEEP_EVERY_MS: '300', SWEEP_AFTER_MS: '1200', HEARTBEAT_MS: '300' },
  });
});
afterAll(() => stack.stop());

async function stepsOf(id: string): Promise<{ kind: string; state: string; attempt: number }[]> {
  const { rows } = await stack.database.query<{ kind: string; state: string; attempt: number }>(
    'SELECT kind, state, attempt FROM response_steps WHERE response_id = $1 ORDER BY sequence',
    [uuidOf(id)],
  );
  return rows;
}

/** A response whose tool call waits in its queue, because no tool-runner is there. */
async function waitingForTool(city: string) {
  await stack.kill('tool-runner', 0);
  let id = '';
  const { text } = script(`!call get_time {"city":"${city}"}`, '!turn', '!text 5');
  const followed = follow(stack, text, {
    onFrame: (_, known) => {
      id = known;
    },
  });
  await eventually('the tool call is waiting', async () => id !== '' && (await stepsOf(id)).length === 2);
  return { id, followed };
}

test('a step whose message is gone is handed out again, as another attempt', async () => {
  const city = `city-${crypto.randomUUID()}`;
  const { id, followed } = await waitingForTool(city);
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  await eventually('the work is queued', async () => (await bus.jsm.streams.info(WORK_STREAM)).state.messages === 1);
  await bus.jsm.streams.purge(WORK_STREAM);
  await bus.close();
  await stack.start('tool-runner', 0);
  expect((await expectWhole(stack, await followed)).status).toBe('completed');
  expect((await stepsOf(id)).map((step) => step.attempt)).toEqual([1, nextMessageAttempt(1), 1]);
  expect((await callsWith(stack, `"${city}"`)).filter((call) => call.kind === 'tool').length).toBe(1);
});

test('a step that only waits for its turn is left alone', async () => {
  const city = `city-${crypto.randomUUID()}`;
  const { id, followed } = await waitingForTool(city);
  // Well beyond the silence after which the sweep looks, and several of its rounds.
  const waited = Date.now() + 2_500;
  await eventually('the sweep has had its chances', async () => Date.now() > waited);
  await stack.start('tool-runner', 0);
  expect((await expectWhole(stack, await followed)).status).toBe('completed');
  expect((await stepsOf(id)).map((step) => step.attempt)).toEqual([1, 1, 1]);
});

test('a step that takes long is not lost: its worker tells of it', async () => {
  const city = `city-${crypto.randomUUID()}`;
  const { text } = script(`!call get_time {"city":"${city}","_ms":3000}`, '!turn', '!text 5');
  const stream = await follow(stack, text);
  expect((await expectWhole(stack, stream)).status).toBe('completed');
  expect((await stepsOf(stream.id)).map((step) => step.attempt)).toEqual([1, 1, 1]);
  expect((await callsWith(stack, `"${city}"`)).filter((call) => call.kind === 'tool').length).toBe(1);
});

/** The model's work as it was first handed out, to be handed out again by whoever forgets, or does not know, that it was. */
async function observedWork(bus: Bus) {
  const seen: { subject: string; data: Uint8Array }[] = [];
  const subscription = bus.nc.subscribe('tr.work.model.>', {
    callback: (_error, { subject, data }) => {
      seen.push({ subject, data });
    },
  });
  await bus.nc.flush();
  return {
    first: () => eventually('work is handed out', async () => seen[0]),
    stop: () => subscription.unsubscribe(),
  };
}

const noWorkIsLeft = (bus: Bus) =>
  eventually('the queue is empty', async () => (await bus.jsm.streams.info(WORK_STREAM)).state.messages === 0);

test('a server that has forgotten its deliveries: a recorded step is not begun again', async () => {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  const work = await observedWork(bus);
  const { text, marker } = script('!say Done.');
  expect((await expectWhole(stack, await follow(stack, text))).status).toBe('completed');
  const { subject, data } = await work.first();
  work.stop();
  await bus.js.publish(subject, data);
  await noWorkIsLeft(bus);
  expect((await callsWith(stack, marker)).filter((call) => call.kind === 'model')).toHaveLength(1);
  await bus.close();
});

test('two messages for one live step: the later one carries it on, the earlier one is forgotten', async () => {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  const work = await observedWork(bus);
  const { text, marker } = script('!text 30 50');
  const followed = follow(stack, text);
  const { subject, data } = await work.first();
  work.stop();
  const modelCalls = async () => (await callsWith(stack, marker)).filter((call) => call.kind === 'model').length;
  await eventually('the model is being called', async () => (await modelCalls()) === 1);
  const first = JSON.parse(Buffer.from(data).toString()) as Work;
  const again = { ...first, attempt: nextMessageAttempt(first.attempt), takeover: true };
  await bus.js.publish(subject, encodeMessage(again));
  const stream = await followed;
  expect((await expectWhole(stack, stream)).status).toBe('completed');
  // Sooner than an unanswered delivery would come again: nothing is left that could.
  await noWorkIsLeft(bus);
  expect(await modelCalls()).toBe(2);
  expect((await stepsOf(stream.id)).map((step) => step.attempt)).toEqual([again.attempt]);
  await bus.close();
});

test('a result of an earlier message is not recorded: what the later one finds in the log is', async () => {
  const { text, marker } = script('!text 20 50');
  let id = '';
  const followed = follow(stack, text, {
    onFrame: (_, known) => {
      id = known;
    },
  });
  await eventually('the model answers', async () => id !== '' && (await callsWith(stack, marker)).length === 1);
  // As a sweep does; its message is lost, so that another sweep has to hand the step out once more.
  await stack.database.query('UPDATE response_steps SET attempt = 101 WHERE response_id = $1', [uuidOf(id)]);
  expect((await expectWhole(stack, await followed)).status).toBe('completed');
  expect((await stepsOf(id)).map((step) => step.attempt)).toEqual([201]);
  expect((await callsWith(stack, marker)).filter((call) => call.kind === 'model')).toHaveLength(1);
});
