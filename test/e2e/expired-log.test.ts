/** A log that JetStream has let go of by itself, at its age. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { threeSteps } from '../harness/scripts.ts';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({ env: { LOG_MAX_AGE: '2s' } });
  stack.checks.allowLostLogs();
});
afterAll(() => stack.stop());

test('the stream goes on from the chain: whole from the beginning, the terminal event for who had got far', async () => {
  const stream = await follow(stack, threeSteps({ toolMs: 1, chunkMs: 0 }).text);
  const response = await expectWhole(stack, stream);
  await eventually('the log has expired', async () => (await stack.logEnd(stream.id)) === undefined);
  const again = await readFrames(await stack.fetch(`/v1/responses/${stream.id}?stream=true`));
  expect(again.done).toBe(true);
  const last = again.frames.map(eventOf).at(-1);
  expect(last).toEqual(eventOf(stream.frames.at(-1) ?? ''));
  expect(again.frames.length).toBeLessThan(stream.frames.length);
  const late = stream.frames.length - 2;
  const rest = await readFrames(await stack.fetch(`/v1/responses/${stream.id}?stream=true&starting_after=${late}`));
  expect(rest.frames).toEqual([stream.frames.at(-1)]);
  expect(await (await stack.fetch(`/v1/responses/${stream.id}`)).json()).toEqual(response);
});
