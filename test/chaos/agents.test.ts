/** Agents while processes die: three levels of them side by side, and every boundary of a step inside one. */
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CrashPoint } from '@tailrace/service';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Recorder, startRecorder } from '../e2e/recorder.ts';
import { activeSteps, activeWorker } from '../harness/active-worker.ts';
import { agentConfig, ask, flat, look, outline, progressIn, stepsOf, threeLevels } from '../harness/agents.ts';
import { eventually } from '../harness/eventually.ts';
import { type Followed, type FollowOptions, follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { script } from '../harness/scripts.ts';
import { readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const armory = mkdtempSync(join(tmpdir(), 'tailrace-crash-'));
type StepPoint = Exclude<
  CrashPoint,
  `${string}-create-${string}` | `${string}-cancel-commit` | 'after-tool-begin' | 'after-take-up'
>;
const ROLES = ['orchestrator', 'model-caller', 'tool-runner'] as const;
const PROGRESS = { body: { include: ['tailrace.progress'] } };
/** What the innermost agents say: for long enough that all of them are at it at once. */
const TALKING = ['!text 75 20'];

let stack: TestStack;
let recorder: Recorder;

beforeAll(async () => {
  recorder = await startRecorder();
  stack = await testStack({
    replicas: { orchestrator: 2, modelCaller: 2, toolRunner: 2 },
    restart: true,
    env: { CRASH_DIR: armory, ACK_WAIT_MS: '1000' },
    config: agentConfig(recorder.url),
  });
  recorder.forwardTo(stack.demoModelUrl);
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
  await rm(armory, { recursive: true, force: true });
});

/** What the client pieced together is what an uninterrupted client would have seen, and it is whole. */
async function expectSound(followed: Followed) {
  const whole = await readFrames(await stack.fetch(`/v1/responses/${followed.id}?stream=true`));
  expect(followed.frames).toEqual(whole.frames);
  return expectWhole(stack, followed);
}

/** The calls of a script's models and tools that are under way. */
const open = async (marker: string) => (await callsWith(stack, marker)).filter((call) => call.closed_at === null);

const allReady = () => Promise.all(ROLES.flatMap((role) => [stack.start(role, 0), stack.start(role, 1)]));

const ANALYST = 'analyst(demo, reader(demo, look, demo), demo)';
const RESEARCHER = `researcher(demo, ${ANALYST}, ${ANALYST}, demo)`;
const TREE = `demo, ${RESEARCHER}, ${RESEARCHER}, look, demo`;

/** The tree is the one of an undisturbed run: no step twice, none missing, each with its outcome. */
async function expectTree({ id, frames }: Followed) {
  const tree = await stepsOf(stack, id);
  expect(outline(tree)).toBe(TREE);
  const steps = flat(tree);
  expect(new Set(steps.map(({ state }) => state))).toEqual(new Set(['completed']));
  const shown = new Set(progressIn(frames).map(({ parent_step_id }) => parent_step_id));
  if (shown.size > 0) expect(shown.size).toBe(10);
  return steps;
}

/** The points that a step passes, and what may be asked once more than without the crash. */
const POINTS: Record<StepPoint, 'nothing' | 'model' | 'tool' | 'either'> = {
  'before-result-commit': 'nothing',
  'after-result-commit': 'nothing',
  'after-result-append': 'nothing',
  'before-result-ack': 'nothing',
  'before-model-seal': 'model',
  'after-model-seal': 'model',
  'after-tool-call': 'tool',
  'before-work-ack': 'either',
};

describe.each([
  ['hidden', {}],
  ['shown', PROGRESS],
] as [string, FollowOptions][])('agents that are %s', (_, options) => {
  test('kill -9 of a model-caller while four of them talk', async () => {
    const { text, marker, modelCalls } = threeLevels(TALKING);
    const following = follow(stack, text, options);
    await eventually('the four readers are talking', async () => (await open(marker)).length === 4);
    await stack.kill('model-caller', (await activeWorker(stack, 'model-caller')).index);
    const stream = await following;
    expect(await expectSound(stream)).toMatchObject({ status: 'completed' });
    const steps = await expectTree(stream);
    const again = steps.filter(({ kind, attempt }) => kind === 'model_call' && attempt > 1).length;
    const models = (await callsWith(stack, marker)).filter((call) => call.kind === 'model');
    expect(models.length, 'only what was under way is asked again').toBeLessThanOrEqual(modelCalls + again);
    await allReady();
  });

  test('a frozen model-caller that wakes after its steps were taken over appends nothing', async () => {
    const { text, marker } = threeLevels(TALKING);
    const following = follow(stack, text, options);
    await eventually('the four readers are talking', async () => (await open(marker)).length === 4);
    const frozen = await activeWorker(stack, 'model-caller');
    process.kill(frozen.pid, 'SIGSTOP');
    const stream = await following;
    const before = await stack.logEnd(stream.id);
    process.kill(frozen.pid, 'SIGCONT');
    await eventually('the frozen worker lets go of its steps', async () => (await activeSteps(frozen.url)) === 0);
    expect(await stack.logEnd(stream.id)).toEqual(before);
    expect((await expectSound(stream)).status).toBe('completed');
    await expectTree(stream);
  });

  test('kill -9 of a tool-runner in mid-call', async () => {
    const city = `city-${crypto.randomUUID()}`;
    const reader = script('!say Looking.', look(city, 1_200), '!turn', '!say Seen.');
    const analyst = script(ask('reader', reader), '!turn', '!say Done.');
    const { text } = script(ask('researcher', script(ask('analyst', analyst))), '!turn', '!say End.');
    const following = follow(stack, text, options);
    const calling = await eventually('the tool is being called', async () =>
      (await callsWith(stack, `"${city}"`)).find((call) => call.kind === 'tool'),
    );
    await stack.kill('tool-runner', (await activeWorker(stack, 'tool-runner')).index);
    const stream = await following;
    expect((await expectSound(stream)).status).toBe('completed');
    const calls = (await callsWith(stack, `"${city}"`)).filter((call) => call.kind === 'tool');
    expect(calls).toHaveLength(2);
    expect(new Set(calls.map((call) => call.idempotency_key))).toEqual(new Set([calling.idempotency_key]));
    await allReady();
  });

  // What is shown differs in what the log holds: before and after its seal.
  const points = Object.entries(POINTS).filter(([point]) => options !== PROGRESS || /-seal$/.test(point));
  test.each(points)('a crash %s, at a step inside an agent', async (point, again) => {
    const tag = `tag-${crypto.randomUUID()}`;
    // The readers talk for a while, so that the point is armed when nothing but steps of agents is left to pass it.
    const reader = script(tag, '!text 20 30', look(tag), '!turn', '!text 5 5');
    const analyst = script(tag, ask('reader', reader), ask('reader', reader), '!turn', '!say Done.');
    const { text } = script(tag, ask('researcher', script(tag, ask('analyst', analyst))), '!turn', '!say End.');
    const following = follow(stack, text, options);
    const callsOf = async (kind: string) => (await callsWith(stack, tag)).filter((call) => call.kind === kind);
    await eventually('both readers talk', async () => (await callsOf('model')).length === 5);
    const file = join(armory, point);
    await writeFile(file, '');
    const stream = await following;
    const response = await expectSound(stream);
    await expect(rm(file), 'the point was not reached').rejects.toMatchObject({ code: 'ENOENT' });
    expect(response.status).toBe('completed');
    const tree = await stepsOf(stack, stream.id);
    const one = 'reader(demo, look, demo)';
    expect(outline(tree)).toBe(`demo, researcher(demo, analyst(demo, ${one}, ${one}, demo), demo), demo`);
    // What one process did at once is done again together: both readers, or both tools.
    expect((await callsOf('model')).length).toBeLessThanOrEqual(again === 'model' || again === 'either' ? 12 : 10);
    const tools = await callsOf('tool');
    expect(tools.length).toBeLessThanOrEqual(again === 'tool' || again === 'either' ? 4 : 2);
    expect(new Set(tools.map((call) => call.idempotency_key)).size).toBe(2);
    await allReady();
  });
});

test('kill -9 of an orchestrator while eight of them talk, hidden and shown', async () => {
  const runs = [{}, PROGRESS].map((options) => {
    const tree = threeLevels(TALKING);
    return { ...tree, following: follow(stack, tree.text, options) };
  });
  await eventually('the eight readers are talking', async () => {
    const talking = await Promise.all(runs.map(({ marker }) => open(marker)));
    return talking.every((calls) => calls.length === 4);
  });
  await stack.kill('orchestrator', 0);
  for (const { following, marker, modelCalls } of runs) {
    const stream = await following;
    expect(await expectSound(stream)).toMatchObject({ status: 'completed' });
    await expectTree(stream);
    expect((await callsWith(stack, marker)).filter((call) => call.kind === 'model')).toHaveLength(modelCalls);
  }
  await allReady();
});

test.each(['before-cancel-commit', 'after-cancel-commit'] as const)(
  'a crash %s: the response is cancelled all the same, with every step in it',
  async (point) => {
    const { text, marker } = threeLevels(['!text 5000 20']);
    const following = follow(stack, text, PROGRESS);
    await eventually('the four readers are talking', async () => (await open(marker)).length === 4);
    const { rows } = await stack.database.query<{ id: string }>('SELECT id FROM responses WHERE ended_at IS NULL');
    await writeFile(join(armory, point), '');
    const cancel = () =>
      stack.fetch(`/v1/responses/resp_${rows[0]?.id.replaceAll('-', '')}/cancel`, { method: 'POST', body: '{}' });
    await cancel();
    await eventually('the cancel is told', async () => (await cancel()).status === 200 || undefined);
    const stream = await following;
    expect((await expectSound(stream)).status).toBe('cancelled');
    const states = flat(await stepsOf(stack, stream.id)).map(({ state }) => state);
    expect(states.filter((state) => state === 'canceled')).toHaveLength(14);
    await eventually('every upstream is let go', async () => (await open(marker)).length === 0);
    await allReady();
  },
);
