/** An agent's time is up while something inside it runs: what is open is broken off then, and not when it ends. */
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask, flat, stepsOf } from '../harness/agents.ts';
import { eventually } from '../harness/eventually.ts';
import { type FollowOptions, follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { uuidOf } from '../harness/public-id.ts';
import { type Script, script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const TIMEOUT_MS = 1_500;
/** What runs inside would take so long. */
const LONG_MS = 12_000;
/** The call has failed by then: at its deadline, give or take a second, and another on a machine that is busy with other tests. */
const SOON_MS = TIMEOUT_MS + 2_000;

const armory = mkdtempSync(join(tmpdir(), 'tailrace-crash-'));
let stack: TestStack;

beforeAll(async () => {
  const agent = { kind: 'agent', groups: ['everyone'], models: ['demo'], model: 'demo', instructions: 'Be brief.' };
  stack = await testStack({
    replicas: { orchestrator: 2 },
    restart: true,
    env: { CRASH_DIR: armory, ACK_WAIT_MS: '2000' },
    config: {
      tools: [
        { ...agent, name: 'punctual', tools: ['get_weather', 'patient'], timeout_ms: TIMEOUT_MS },
        { ...agent, name: 'patient', tools: ['get_weather'] },
      ],
    },
  });
});
afterAll(async () => {
  await stack.stop();
  await rm(armory, { recursive: true, force: true });
});

/** What the agent is told to do; how long its call took, by the database, and what came of it. */
async function told(inner: Script, options: FollowOptions = {}) {
  const { text } = script(ask('punctual', inner), '!turn', '!say I see.');
  const stream = await follow(stack, text, options);
  const response = await expectWhole(stack, stream);
  expect(response.status).toBe('completed');
  expect(JSON.stringify(response.output)).toContain('I see.');
  const output = response.output.find((item) => item.type === 'function_call_output');
  const { rows } = await stack.database.query<{ ms: number }>(
    `SELECT extract(epoch FROM failed_at - created_at)::float8 * 1000 AS ms FROM response_steps
     WHERE response_id = $1 AND request_payload ->> 'tool' = 'punctual'`,
    [uuidOf(stream.id)],
  );
  const steps = flat(await stepsOf(stack, response.id));
  return { output: JSON.parse(String(output?.output)), ms: rows[0]?.ms ?? 0, steps, stream, response };
}

const late = { error: { code: 'tool_timeout' } };
const weather = (ms: number) => `!call get_weather {"city":"city-${crypto.randomUUID()}","_ms":${ms}}`;

describe.each([
  ['hidden', {}],
  ['shown as progress', { body: { include: ['tailrace.progress'] } }],
])('what happens inside is %s', (_what, options) => {
  test('a model that speaks on and on', async () => {
    const { output, ms, steps } = await told(script(`!text ${LONG_MS / 50} 50`), options);
    expect(output).toMatchObject(late);
    expect(ms).toBeGreaterThanOrEqual(TIMEOUT_MS - 100);
    expect(ms).toBeLessThan(SOON_MS);
    expect(steps.map(({ name, state }) => [name, state])).toEqual([
      ['demo', 'completed'],
      ['punctual', 'failed'],
      ['demo', 'canceled'],
      ['demo', 'completed'],
    ]);
  });

  test('a tool that does not answer, and is let go of', async () => {
    const city = `city-${crypto.randomUUID()}`;
    const call = `!call get_weather {"city":"${city}","_ms":${LONG_MS}}`;
    const { output, ms } = await told(script(call, '!turn', '!say Too late.'), options);
    expect(output).toMatchObject(late);
    expect(ms).toBeLessThan(SOON_MS);
    const calls = (await callsWith(stack, city)).filter(({ kind }) => kind === 'tool');
    expect(calls.map(({ ended }) => ended)).toEqual(['aborted']);
  });

  test('an agent below it, with a tool beside', async () => {
    const below = script(weather(LONG_MS), weather(10), '!turn', '!say Too late.');
    const { output, ms, steps } = await told(script(ask('patient', below), weather(20)), options);
    expect(output).toMatchObject(late);
    expect(ms).toBeLessThan(SOON_MS);
    expect(steps.find(({ name }) => name === 'patient')?.state).toBe('canceled');
  });
});

test('what runs beside the agent goes on', async () => {
  const { text } = script(ask('punctual', script(weather(LONG_MS))), weather(3_000), '!turn', '!say I see.');
  const response = await expectWhole(stack, await follow(stack, text));
  const outputs = response.output.flatMap((item) =>
    item.type === 'function_call_output' ? [String(item.output)] : [],
  );
  expect(outputs[0]).toContain('tool_timeout');
  expect(outputs[1]).not.toContain('error');
});

test('all orchestrators are killed while it runs: whoever comes up finds that it is late', {
  timeout: 60_000,
}, async () => {
  let id = '';
  const seen = (_: unknown, known: string) => {
    id = known;
  };
  const answered = told(script(weather(LONG_MS), '!turn', '!say Too late.'), { onFrame: seen });
  await eventually('the tool is being called', async () => {
    if (id === '') return false;
    return (await stepsOf(stack, id)).some(({ children }) => children.length === 2);
  });
  await Promise.all([stack.kill('orchestrator', 0), stack.kill('orchestrator', 1)]);
  await Promise.all([stack.start('orchestrator', 0), stack.start('orchestrator', 1)]);
  const { output, ms } = await answered;
  expect(output).toMatchObject(late);
  expect(ms).toBeLessThan(LONG_MS - 2_000);
});

test.each(['before-cancel-commit', 'after-cancel-commit'])(
  'an orchestrator is killed when it breaks the agent off, %s: another one does, or tells of it',
  { timeout: 60_000 },
  async (point) => {
    await stack.ready('orchestrator', 0);
    await stack.ready('orchestrator', 1);
    await writeFile(join(armory, point), '');
    const begun = performance.now();
    const { output } = await told(script(weather(30_000), '!turn', '!say Too late.'));
    expect(output).toMatchObject(late);
    expect(performance.now() - begun).toBeLessThan(20_000);
  },
);
