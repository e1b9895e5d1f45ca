/** Clients that know the events of reasoning by OpenAI's names. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack();
});
afterAll(() => stack.stop());

const OPENAI = { 'tailrace-event-names': 'openai' };
const SPECIFIED = ['response.reasoning.delta', 'response.reasoning.delta', 'response.reasoning.done'];
const ASKED_FOR = SPECIFIED.map((name) => name.replace('.reasoning.', '.reasoning_text.'));

async function framesOf(path: string, headers: Record<string, string>, body?: unknown): Promise<string[]> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  return (await readFrames(await stack.fetch(path, { headers, ...init }))).frames;
}

function reasoningNames(frames: readonly string[]): string[] {
  const lines = frames.map((frame) => frame.slice('event: '.length, frame.indexOf('\n')));
  expect(lines).toEqual(frames.map((frame) => eventOf(frame).type));
  return lines.filter((name) => name.startsWith('response.reasoning'));
}

test.each([
  ['live', OPENAI],
  ['live, by the stream helper of OpenAI’s library', { 'x-stainless-helper-method': 'stream' }],
])('get them %s, stored, and when the log is gone; others get those of the specification', async (_how, headers) => {
  const body = { model: 'demo', input: script('!reasoning 2 5', '!say So.').text, stream: true };
  const live = await framesOf('/v1/responses', headers, body);
  expect(reasoningNames(live)).toEqual(ASKED_FOR);
  const created = eventOf(live[0] ?? '');
  if (created.type !== 'response.created') throw new Error('the first event creates');
  const path = `/v1/responses/${created.response.id}?stream=true`;
  expect(await framesOf(path, headers)).toEqual(live);
  expect(await framesOf(`${path}&starting_after=4`, headers)).toEqual(live.slice(5));
  const specified = await framesOf(path, {});
  expect(reasoningNames(specified)).toEqual(SPECIFIED);
  expect(specified.map((frame) => frame.replaceAll('response.reasoning.', 'response.reasoning_text.'))).toEqual(live);
  await stack.purgeLog(created.response.id);
  const replayed = reasoningNames(await framesOf(path, headers));
  expect(replayed.filter((name) => name.startsWith('response.reasoning.'))).toEqual([]);
});
