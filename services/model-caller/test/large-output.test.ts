/** What a model step holds: its output counts, and its prompt only until it has been answered. */
import type { ModelWork } from '@tailrace/bus';
import { StepCancelled } from '@tailrace/worker';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type TestNats, testNats } from '../../../packages/log/test/nats.ts';
import { DIALECTS } from '../src/dialect.ts';
import { runModelStep } from '../src/model-step.ts';
import { modelWork, promptOf, stepContext } from './model-steps.ts';
import { hangsAfter, startUpstream, streams, type UpstreamServer } from './upstream-server.ts';
import { candidate, testClient, upstreams } from './upstreams.ts';

const CHARS = 200_000;

let nats: TestNats;
let server: UpstreamServer;
const upstream = testClient();
beforeAll(async () => {
  nats = await testNats();
});
afterEach(() => server.close());
afterAll(async () => {
  await upstream.close();
  await nats.stop();
});

const large = { choices: [{ delta: { content: 'y'.repeat(CHARS) } }] };

const work = () => modelWork({ prompt: promptOf('x'.repeat(CHARS)) });

function run(step: ModelWork, signal: AbortSignal) {
  const context = stepContext({ bus: nats.bus, upstream });
  const of = { baseUrl: server.url, apiKey: null, model: 'up', dialect: DIALECTS.chat };
  const target = upstreams(candidate(server.url, { target: of }));
  return runModelStep(context, step, target, { attempt: 1, takeover: false }, signal);
}

test('a large output takes room from large prompts, as long as it is made', async () => {
  server = await startUpstream(hangsAfter(large));
  const step = work();
  const cancel = new AbortController();
  const running = run(step, cancel.signal);
  await expect.poll(() => nats.bus.room.held, { timeout: 10_000 }).toBe(CHARS);
  expect(step.prompt.items, 'it may have to be asked again').toHaveLength(1);
  cancel.abort(new StepCancelled(step.responseId));
  await running;
  expect(nats.bus.room.held).toBe(0);
});

test('a prompt is held no longer than until it has been answered', async () => {
  server = await startUpstream(streams(large, '[DONE]'));
  const step = work();
  const { result } = await run(step, new AbortController().signal);
  expect(result?.items).toMatchObject([{ item: { content: [{ text: 'y'.repeat(CHARS) }] } }]);
  expect(result?.usage?.input_tokens, 'of what was asked').toBeGreaterThan(1_000);
  expect(step.prompt.items).toEqual([]);
  expect(nats.bus.room.held).toBe(0);
});
