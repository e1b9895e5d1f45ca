/** What takes too long: a model that never ends, and a response as a whole. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    env: { UPSTREAM_TOTAL_MS: '1500', RESPONSE_DEADLINE: '3s', TIDY_EVERY_MS: '200' },
  });
});
afterAll(() => stack.stop());

test('a model that goes on for ever is cut off, and not asked again', async () => {
  const { text, marker } = script('!text 100000 20');
  const response = await expectWhole(stack, await follow(stack, text));
  expect(response).toMatchObject({ status: 'failed', error: { code: 'upstream_timeout' } });
  expect(response.output).toMatchObject([{ type: 'message', status: 'incomplete' }]);
  expect(await callsWith(stack, marker)).toHaveLength(1);
});

test('a response that does not come to an end fails, with what it had', async () => {
  const city = `city-${crypto.randomUUID()}`;
  const { text } = script('!say Wait.', `!call get_weather {"city":"${city}","_ms":20000}`, '!turn', '!text 3');
  const response = await expectWhole(stack, await follow(stack, text));
  expect(response).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' } });
  expect(response.output.map((item) => [item.type, 'status' in item && item.status])).toEqual([
    ['message', 'completed'],
    ['function_call', 'completed'],
    ['function_call_output', 'incomplete'],
  ]);
});
