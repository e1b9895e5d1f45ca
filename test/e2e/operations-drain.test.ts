/** SIGTERM: each service ends what it can, hands over the rest, and ends with status 0. */
import { randomUUID } from 'node:crypto';
import type { ServiceRole } from '@tailrace/cli';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { expectWhole } from '../harness/invariants.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, type RawStream, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { type ServiceProcess, startProcess } from './service-process.ts';

const SECRET = 'a-secret-of-the-tests';
const PATIENT = { DRAIN_MS: '20000' };
const HASTY = { DRAIN_MS: '400' };
const CLEAN = { code: 0, signal: null };

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({ env: { TAILRACE_SECRET_KEY: SECRET } });
});
afterAll(() => stack.stop());
// Tests take services of the stack out of it.
afterEach(async () => {
  for (const role of ['gateway', 'orchestrator', 'model-caller', 'tool-runner'] as const) await stack.start(role);
});

/** A service of the test's own, ready. */
async function start(role: ServiceRole, env: Record<string, string>): Promise<ServiceProcess> {
  const service = await startProcess(role, stack.checks, {
    NATS_URL: stack.natsUrl,
    DATABASE_URL: stack.databaseUrl,
    TAILRACE_SECRET_KEY: SECRET,
    ACK_WAIT_MS: '1500',
    REDELIVER_MS: '100',
    ...env,
  });
  await eventually(`the ${role} is ready`, async () => (await fetch(`${service.url}/readyz`)).status === 200);
  return service;
}

function ask(url: string, path: string, body?: unknown): Promise<Response> {
  const headers = { authorization: `Bearer ${stack.apiKey}`, 'content-type': 'application/json' };
  return stack.validatingFetch(`${url}${path}`, {
    headers,
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  });
}

/** Starts a streamed response; `begun` settles once `count` frames have come, `stream` with the whole of it. */
async function stream(url: string, input: string, count: number) {
  const begun = Promise.withResolvers<void>();
  const answer = await ask(url, '/v1/responses', { model: 'demo', input, stream: true });
  const seen: string[] = [];
  const whole = readFrames(answer, (frames) => {
    seen.push(frames.at(-1) ?? '');
    if (frames.length === count) begun.resolve();
    return false;
  });
  whole.catch(begun.reject);
  return { begun: begun.promise, stream: whole, seen };
}

const words = (count: number) => Array.from({ length: count }, (_, index) => `w${index + 1} `);

function deltasOf({ frames }: RawStream): string[] {
  return frames.map(eventOf).flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : []));
}

async function attemptsOf(id: string): Promise<number[]> {
  const { data } = (await (await stack.fetch(`/v1/responses/${id}/steps`)).json()) as { data: { attempt: number }[] };
  return data.map((step) => step.attempt);
}

describe.concurrent('a gateway', () => {
  test('finishes the streams that are open, and takes nothing new', async () => {
    await using gateway = await start('gateway', PATIENT);
    const open = await stream(gateway.url, script('!text 30 50').text, 5);
    const blocking = ask(gateway.url, '/v1/responses', { model: 'demo', input: script('!text 30 50').text });
    await open.begun;
    gateway.signal('SIGTERM');
    await eventually('it takes no connections', async () => {
      const refused = await fetch(`${gateway.url}/healthz`, { headers: { connection: 'close' } }).then(
        () => false,
        (error: unknown) => error instanceof TypeError,
      );
      return refused;
    });
    const whole = await open.stream;
    expect(deltasOf(whole)).toEqual(words(30));
    await expectWhole(stack, whole);
    const answer = await blocking;
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 200,
      body: { status: 'completed' },
    });
    expect(await gateway.exited).toEqual(CLEAN);
  });

  test('cuts what takes longer than it has: the client goes on elsewhere and has lost nothing', async () => {
    await using gateway = await start('gateway', HASTY);
    const open = await stream(gateway.url, script('!text 40 50').text, 5);
    const { marker, text } = script('!text 40 50');
    const blocking = ask(gateway.url, '/v1/responses', { model: 'demo', input: text });
    await open.begun;
    await eventually('the blocking request is under way', async () => (await callsWith(stack, marker)).length === 1);
    gateway.signal('SIGTERM');
    const outcome = await open.stream.then(
      ({ done }) => ({ done }),
      (error: unknown) => ({ broken: error instanceof TypeError }),
    );
    expect(outcome).toEqual({ broken: true });
    const told = await blocking;
    expect({ status: told.status, body: await told.json() }).toMatchObject({
      status: 503,
      body: { error: { code: 'unavailable' } },
    });
    expect(await gateway.exited).toEqual(CLEAN);

    const first = eventOf(open.seen[0] ?? '');
    if (first.type !== 'response.created') throw new Error('the first event creates');
    const after = open.seen.length - 1;
    const rest = await readFrames(
      await stack.fetch(`/v1/responses/${first.response.id}?stream=true&starting_after=${after}`),
    );
    const whole = { frames: [...open.seen, ...rest.frames], done: rest.done };
    expect(deltasOf(whole)).toEqual(words(40));
    await expectWhole(stack, whole);
  });
});

describe('a model-caller', () => {
  /** A stream whose model call is this model-caller's. */
  async function streamOf(input: string) {
    await stack.kill('model-caller', 0, 'SIGTERM');
    const open = await stream(stack.gateways[0] ?? '', input, 6);
    await open.begun;
    return open;
  }

  test('ends the call that is under way', async () => {
    await using caller = await start('model-caller', PATIENT);
    const asked = script('!text 30 50');
    const open = await streamOf(asked.text);
    caller.signal('SIGTERM');
    const whole = await open.stream;
    const response = await expectWhole(stack, whole);
    expect(await caller.exited).toEqual(CLEAN);
    expect(await attemptsOf(response.id)).toEqual([1]);
    expect(await callsWith(stack, asked.marker)).toHaveLength(1);
  });

  test('in the middle of a long one, hands it over: the stream goes on with the same words', async () => {
    await using caller = await start('model-caller', HASTY);
    const asked = script('!text 40 50');
    const open = await streamOf(asked.text);
    await stack.start('model-caller');
    caller.signal('SIGTERM');
    expect(await caller.exited).toEqual(CLEAN);
    const whole = await open.stream;
    const response = await expectWhole(stack, whole);
    expect(response.status).toBe('completed');
    expect(deltasOf(whole)).toEqual(words(40));
    expect(await attemptsOf(response.id)).toEqual([2]);
    expect((await callsWith(stack, asked.marker)).map((call) => call.ended)).toEqual(['aborted', 'complete']);
  });
});

describe('a tool-runner', () => {
  async function toolCalls(q: string) {
    return (await callsWith(stack, q)).filter((call) => call.kind === 'tool');
  }

  /** A stream that waits for a tool, which takes `ms`, of this tool-runner. */
  async function waitingStream(ms: number) {
    await stack.kill('tool-runner', 0, 'SIGTERM');
    const city = randomUUID();
    const { text } = script(`!call get_weather ${JSON.stringify({ city, _ms: ms })}`, '!turn', '!say Done.');
    const open = await stream(stack.gateways[0] ?? '', text, 3);
    await eventually('the tool is called', async () => (await toolCalls(city)).length === 1);
    return { ...open, city };
  }

  test('ends the call that is under way', async () => {
    await using runner = await start('tool-runner', PATIENT);
    const open = await waitingStream(600);
    runner.signal('SIGTERM');
    expect(await runner.exited).toEqual(CLEAN);
    const response = await expectWhole(stack, await open.stream);
    expect(response.status).toBe('completed');
    expect((await toolCalls(open.city)).map((call) => call.ended)).toEqual(['complete']);
  });

  test('hands a long one over; the tool sees the same key again', async () => {
    await using runner = await start('tool-runner', HASTY);
    const open = await waitingStream(1_200);
    await stack.start('tool-runner');
    runner.signal('SIGTERM');
    expect(await runner.exited).toEqual(CLEAN);
    const response = await expectWhole(stack, await open.stream);
    expect(response.status).toBe('completed');
    const calls = await toolCalls(open.city);
    expect(calls.map((call) => call.ended)).toEqual(['aborted', 'complete']);
    expect(new Set(calls.map((call) => call.idempotency_key)).size).toBe(1);
  });
});

describe('an orchestrator', () => {
  test('may leave in the middle of a response, when there is another', async () => {
    await using orchestrator = await start('orchestrator', PATIENT);
    await stack.kill('orchestrator', 0, 'SIGTERM');
    const { text } = script('!call get_time {"city":"Oslo","_ms":600}', '!turn', '!text 20 20');
    const open = await stream(stack.gateways[0] ?? '', text, 3);
    await open.begun;
    await stack.start('orchestrator');
    orchestrator.signal('SIGTERM');
    expect(await orchestrator.exited).toEqual(CLEAN);
    const response = await expectWhole(stack, await open.stream);
    expect(response.status).toBe('completed');
  });
});

test('a second SIGTERM ends a drain at once', async () => {
  await using caller = await start('model-caller', PATIENT);
  await stack.kill('model-caller', 0, 'SIGTERM');
  const open = await stream(stack.gateways[0] ?? '', script('!text 5', '!hang 5 times=1').text, 6);
  await open.begun;
  caller.signal('SIGTERM');
  await caller.logged('draining');
  caller.signal('SIGTERM');
  expect(await caller.exited).toEqual({ code: 1, signal: null });
  await stack.start('model-caller');
  expect((await expectWhole(stack, await open.stream)).status).toBe('completed');
});
