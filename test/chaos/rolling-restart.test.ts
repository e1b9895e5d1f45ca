/** Every process is restarted, of each role one after another, while OpenAI's client works as it comes: no request of it fails. */
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { type Balancer, startBalancer } from './balancer.ts';

const CLIENTS = 9;
const ROLES = ['gateway', 'orchestrator', 'model-caller', 'tool-runner'] as const;

let stack: TestStack;
let balancer: Balancer;
beforeAll(async () => {
  stack = await testStack({
    replicas: { gateway: 2, orchestrator: 2, modelCaller: 2, toolRunner: 2 },
    // Whoever waits for an answer gets it; the streams take longer, and some are cut off with their gateway.
    env: { DRAIN_MS: '3000' },
  });
  balancer = await startBalancer(stack.gateways);
});
afterAll(async () => {
  await balancer?.close();
  await stack.stop();
});

/** The client as it is, with its own retries. */
const client = () => new OpenAI({ baseURL: `${balancer.url}/v1`, apiKey: stack.apiKey });

/** A tool loop whose last answer takes so many milliseconds. */
const input = (ms: number) =>
  script('!call get_weather {"city":"Paris","_ms":100}', '!turn', '!reasoning 3 5', `!text ${ms / 25} 25`).text;
const SHORT_MS = 250;
const LONG_MS = 6_500;
const POLL_MS = 100;

async function blocking(openai: OpenAI): Promise<void> {
  const response = await openai.responses.create({ model: 'demo', input: input(SHORT_MS) });
  expect(response.status).toBe('completed');
}

async function polled(openai: OpenAI): Promise<void> {
  let response = await openai.responses.create({ model: 'demo', input: input(SHORT_MS), background: true });
  while (response.status === 'queued' || response.status === 'in_progress') {
    await sleep(POLL_MS);
    response = await openai.responses.retrieve(response.id);
  }
  expect(response.status).toBe('completed');
}

/** Resolves with how often the stream had to be taken up again. */
async function streamed(openai: OpenAI): Promise<number> {
  const events: ResponseStreamEvent[] = [];
  let id = '';
  let attaches = 0;
  let stream = await openai.responses.create({ model: 'demo', input: input(LONG_MS), stream: true });
  for (;;) {
    try {
      for await (const event of stream) {
        events.push(event);
        if (event.type === 'response.created') id = event.response.id;
      }
    } catch (error) {
      // The connection has gone with its gateway.
      if (!(error instanceof TypeError) && !(error instanceof OpenAI.APIConnectionError)) throw error;
    }
    const last = events.at(-1);
    if (last?.type === 'response.completed') break;
    attaches += 1;
    stream = await openai.responses.retrieve(id, { stream: true, starting_after: last?.sequence_number ?? -1 });
  }
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
  return attaches;
}

test('a rolling restart of everything, twice, under load', { timeout: 180_000 }, async () => {
  const rolling = { over: false };
  const done = { blocking: 0, polled: 0, streamed: 0, attaches: 0 };
  const load = Array.from({ length: CLIENTS }, async (_, index) => {
    const openai = client();
    while (!rolling.over) {
      if (index % 3 === 0) {
        await blocking(openai);
        done.blocking += 1;
      } else if (index % 3 === 1) {
        await polled(openai);
        done.polled += 1;
      } else {
        done.attaches += await streamed(openai);
        done.streamed += 1;
      }
    }
  });
  const roll = async (role: (typeof ROLES)[number]) => {
    for (const index of [0, 1, 0, 1]) {
      await stack.kill(role, index, 'SIGTERM');
      await stack.start(role, index);
    }
  };
  const rolled = Promise.all(ROLES.map(roll)).finally(() => {
    rolling.over = true;
  });
  await Promise.all([rolled, ...load]);
  console.info(`rolling restart: ${JSON.stringify(done)}`);
  expect(Math.min(done.blocking, done.polled)).toBeGreaterThan(CLIENTS);
  expect(done.streamed).toBeGreaterThanOrEqual(CLIENTS / 3);
  expect(done.attaches).toBeGreaterThan(0);
});
