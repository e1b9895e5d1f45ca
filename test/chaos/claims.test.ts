/** A tool's call that is made again has been taken from the attempt before it: what that comes to then is not recorded. */
import {
  chainSubject,
  connectBus,
  encodeMessage,
  publishUntilStored,
  STEP_SUBJECT,
  type StepAnswer,
  type StepQuestion,
} from '@tailrace/bus';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await testStack();
});
afterAll(() => stack.stop());

async function toolStepOf(id: string): Promise<{ id: string; attempt: number; state: string } | undefined> {
  const { rows } = await stack.database.query<{ id: string; attempt: number; state: string }>(
    `SELECT id, attempt, state FROM response_steps WHERE response_id = $1 AND kind = 'tool_call'`,
    [uuidOf(id)],
  );
  return rows[0];
}

test('who asks and begins has the step; who only asks has not', async () => {
  await stack.kill('tool-runner', 0);
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  let id = '';
  const { text } = script('!call get_time {"city":"Rome"}', '!turn', '!say Done.');
  const followed = follow(stack, text, {
    onFrame: (_, known) => {
      id = known;
    },
  });
  const step = await eventually('the call waits', async () => (id === '' ? undefined : toolStepOf(id)));
  const responseId = uuidOf(id);
  const ask = async (begins: number | null, once?: Pick<StepQuestion, 'startedAt'>) => {
    const startedAt = once?.startedAt ?? begins ?? 0;
    const question = encodeMessage({ responseId, stepId: step.id, begins, startedAt, once: once !== undefined });
    return (await bus.nc.request(STEP_SUBJECT, question, { timeout: 5_000 })).json<StepAnswer>();
  };
  const report = (attempt: number, output: string) => {
    const result = {
      kind: 'tool_call' as const,
      responseId,
      stepId: step.id,
      attempt,
      startedAt: Date.now(),
      endedAt: Date.now(),
      correlationId: '0'.repeat(32),
      outcome: { result: { output } },
      calls: [],
    };
    const signal = AbortSignal.timeout(5_000);
    return publishUntilStored(bus, chainSubject(0, 'result'), encodeMessage(result), `${step.id}.${attempt}`, signal);
  };
  expect(await ask(null)).toEqual({ begun: false, ended: false });
  expect((await toolStepOf(id))?.attempt).toBe(1);
  expect(await ask(1)).toEqual({ begun: false, ended: false });
  // What attempt 1 was told it may act on for a while: nobody is told the same as long as that lasts.
  const held = await ask(2);
  expect(held.wait).toBeGreaterThan(0);
  expect((await toolStepOf(id))?.attempt).toBe(1);
  await eventually('attempt 2 has the step', async () => (await ask(2)).wait === undefined);
  expect((await toolStepOf(id))?.attempt).toBe(2);
  // What must not be done twice: whoever is the first to say so, however often, and nobody else.
  const startedAt = Date.now();
  expect(await ask(1, { startedAt: startedAt - 1 })).toMatchObject({ begun: false, ended: false, later: 2 });
  await eventually('it has begun', async () => (await ask(2, { startedAt })).wait === undefined);
  for (const _ of [1, 2]) expect(await ask(2, { startedAt })).toEqual({ begun: false, ended: false });
  expect(await toolStepOf(id)).toMatchObject({ attempt: 2, state: 'processing' });
  expect(await ask(2, { startedAt: startedAt + 1 })).toMatchObject({ begun: true, ended: false });
  expect(await ask(3, { startedAt: startedAt + 1 })).toMatchObject({ begun: true, ended: false });
  expect((await toolStepOf(id))?.attempt).toBe(2);
  // Later than the question: the call of attempt 2 may have been made.
  await report(1, 'of the first');
  await report(2, 'of the second');
  const response = await expectWhole(stack, await followed);
  expect(response.output.find((item) => item.type === 'function_call_output')?.output).toBe('of the second');
  expect(await ask(3)).toMatchObject({ ended: true });
  expect((await toolStepOf(id))?.attempt).toBe(2);
  await bus.close();
});
