import { once } from 'node:events';
import { type Bus, logStream, logSubject, type ModelWork } from '@tailrace/bus';
import type { Prompt } from '@tailrace/chain';
import { append, decodeFrames, Fenced, type LogMeta, readLog } from '@tailrace/log';
import { foldItems, type ResponseEvent } from '@tailrace/protocol';
import { StepCancelled, StepSuperseded } from '@tailrace/worker';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type TestNats, testNats } from '../../../packages/log/test/nats.ts';
import { DIALECTS } from '../src/dialect.ts';
import { type ModelStepContext, runModelStep } from '../src/model-step.ts';
import { toUsage } from '../src/usage.ts';
import { modelWork, promptOf, stepContext } from './model-steps.ts';
import { hangsAfter, startUpstream, streams, type UpstreamServer } from './upstream-server.ts';
import { candidate, testClient, upstreams } from './upstreams.ts';

let nats: TestNats;
const upstream = testClient();
beforeAll(async () => {
  nats = await testNats();
});
afterAll(async () => {
  await upstream.close();
  await nats.stop();
});

let server: UpstreamServer;
afterEach(() => server.close());

const never = new AbortController().signal;
const FIRST = { attempt: 1, takeover: false };
const AGAIN = { attempt: 2, takeover: true };

const context = (fields: Partial<ModelStepContext> = {}) => stepContext({ bus: nats.bus, upstream }, fields);

function work(asked: Partial<Prompt> = {}, fields: Partial<ModelWork> = {}): ModelWork {
  return modelWork({ prompt: { ...promptOf('hello world'), ...asked }, ...fields });
}

const target = (dialect: keyof typeof DIALECTS = 'chat') =>
  upstreams(
    candidate(server.url, { target: { baseUrl: server.url, apiKey: null, model: 'up', dialect: DIALECTS[dialect] } }),
  );

async function logOf({ responseId }: ModelWork): Promise<ResponseEvent[]> {
  const events: ResponseEvent[] = [];
  for await (const message of readLog({ bus: nats.bus, partition: 0, id: responseId }, 0)) {
    events.push(...decodeFrames(message.bytes));
  }
  return events;
}

const text = (content: string) => ({ choices: [{ delta: { content } }] });
const stop = { choices: [{ delta: {}, finish_reason: 'stop' }] };

describe('usage', () => {
  test('is what the upstream says, in the result and in the analytics', async () => {
    const usage = { prompt_tokens: 7, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 2 } };
    server = await startUpstream(streams(text('hello'), stop, { ...stop, choices: [], usage }, '[DONE]'));
    const outcome = await runModelStep(context(), work(), target(), FIRST, never);
    expect(outcome.result?.usage).toEqual(toUsage({ input: 7, output: 3, cached: 2 }));
    expect(outcome.calls).toMatchObject([{ inputTokens: 7, outputTokens: 3, cachedTokens: 2, errorCode: null }]);
  });

  test('is estimated where the upstream says nothing; the analytics say nothing either', async () => {
    server = await startUpstream(streams(text('hello world'), '[DONE]'));
    const outcome = await runModelStep(context(), work(), target(), FIRST, never);
    expect(outcome.result).toMatchObject({ usage: toUsage({ input: 6, output: 2 }) });
    expect(outcome.calls).toMatchObject([{ inputTokens: null, outputTokens: null, errorCode: null }]);
  });

  test('is estimated for a call that failed after it had said something', async () => {
    server = await startUpstream(streams(text('hello'), { error: { message: 'out of memory' } }));
    const outcome = await runModelStep(context(), work(), target(), FIRST, never);
    expect(outcome).toMatchObject({
      error: { code: 'upstream_error' },
      result: { usage: toUsage({ input: 6, output: 1 }), items: [{ item: { status: 'incomplete' } }] },
      calls: [{ inputTokens: null, errorCode: 'upstream_error' }],
    });
  });

  test('is nothing for a call that failed before', async () => {
    server = await startUpstream(streams({ error: { message: 'out of memory' } }));
    const outcome = await runModelStep(context(), work(), target(), FIRST, never);
    expect(outcome).toMatchObject({ error: { code: 'upstream_error' }, result: { usage: null, items: [] } });
  });
});

describe('the answer', () => {
  test('tells the class of service, to a successor too', async () => {
    server = await startUpstream(streams({ ...text('a'), service_tier: 'flex' }, stop, '[DONE]'));
    const step = work();
    const outcome = await runModelStep(context(), step, target(), FIRST, never);
    expect(outcome.result?.service_tier).toBe('flex');
    const again = await runModelStep(context(), step, target(), AGAIN, never);
    expect(again).toEqual({ ...outcome, calls: [] });
    expect(server.asked).toHaveLength(1);
  });

  test('is padded in its deltas if it is to be, and nowhere else', async () => {
    server = await startUpstream(streams(text('a'), text('b'), stop, '[DONE]'));
    const step = work({ obfuscate: true });
    const { result } = await runModelStep(context(), step, target(), FIRST, never);
    const events = await logOf(step);
    const padded = events.filter((event) => 'obfuscation' in event).map((event) => event.type);
    expect(padded).toEqual(events.filter((event) => 'delta' in event).map((event) => event.type));
    expect(padded).not.toEqual([]);
    expect(foldItems(events, 0)).toEqual(result?.items.map(({ item }) => item));
  });

  test('carries sealed reasoning', async () => {
    server = await startUpstream(streams({ choices: [{ delta: { reasoning: 'hm' } }] }, text('a'), stop, '[DONE]'));
    const step = work({ encrypted_reasoning: true, summary: 'auto' });
    const { result } = await runModelStep(context(), step, target(), FIRST, never);
    expect(result?.items[0]?.item).toMatchObject({
      type: 'reasoning',
      summary: [{ text: 'hm' }],
      content: [],
      encrypted_content: 'sealed hm',
    });
  });

  test('goes on after a broken one, and repeats nothing', async () => {
    server = await startUpstream(streams(text('hel')), streams(text('hello'), stop, '[DONE]'));
    const step = work();
    const outcome = await runModelStep(context({ attempts: 2 }), step, target(), FIRST, never);
    expect(outcome.calls.map((call) => call.errorCode)).toEqual(['upstream_cut', null]);
    expect((await logOf(step)).flatMap((event) => ('delta' in event ? [event.delta] : []))).toEqual(['hel', 'lo']);
  });
});

describe('an upstream that speaks Responses', () => {
  const delta = { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'hello' };

  test('is asked in its own terms, and is done when it says so', async () => {
    const completed = { type: 'response.completed', response: { status: 'completed', output: [] } };
    server = await startUpstream(hangsAfter(delta, completed));
    const outcome = await runModelStep(context(), work(), target('responses'), FIRST, never);
    expect(outcome.result?.items).toMatchObject([{ item: { status: 'completed', content: [{ text: 'hello' }] } }]);
    expect(server.asked).toMatchObject([
      {
        path: '/v1/responses',
        body: { model: 'up', stream: true, store: false, input: [{ type: 'message', content: 'hello world' }] },
      },
    ]);
  });

  test('has not said all when it only says [DONE]', async () => {
    server = await startUpstream(streams(delta, '[DONE]'));
    const outcome = await runModelStep(context(), work(), target('responses'), FIRST, never);
    expect(outcome).toMatchObject({
      error: { code: 'upstream_cut' },
      result: { items: [{ item: { status: 'incomplete' } }] },
    });
  });
});

describe('a cancelled step', () => {
  const cancelled = { result: null, error: { code: 'response_cancelled' } };

  test('leaves the upstream at once, and tells of its call', async () => {
    server = await startUpstream(hangsAfter(text('hello')));
    const cancel = new AbortController();
    const step = work();
    const running = runModelStep(context(), step, target(), FIRST, cancel.signal);
    await expect.poll(() => logOf(step), { timeout: 10_000 }).not.toEqual([]);
    const [asked] = server.asked;
    if (!asked) throw new Error('the upstream was not asked');
    const left = once(asked.response, 'close');
    cancel.abort(new StepCancelled(step.responseId));
    await left;
    const outcome = await running;
    expect(outcome).toMatchObject({ ...cancelled, calls: [{ status: 200, errorCode: 'response_cancelled' }] });
    expect((await logOf(step)).map((event) => event.type)).not.toContain('response.output_item.done');
  });

  test('that has not begun asks nobody', async () => {
    server = await startUpstream(streams(text('hello'), '[DONE]'));
    const step = work();
    const signal = AbortSignal.abort(new StepCancelled(step.responseId));
    expect(await runModelStep(context(), step, target(), FIRST, signal)).toMatchObject({ ...cancelled, calls: [] });
    expect(server.asked).toEqual([]);
  });

  test('between two tries does not try again', async () => {
    const cancel = new AbortController();
    server = await startUpstream(({ response }) => {
      response.writeHead(429).end();
    });
    const step = work();
    const policy = { attempts: 3, backoffMs: 60_000, maxBackoffMs: 60_000 };
    const running = runModelStep(context(policy), step, target(), FIRST, cancel.signal);
    await expect.poll(() => server.asked[0]?.response.writableFinished, { timeout: 10_000 }).toBe(true);
    cancel.abort(new StepCancelled(step.responseId));
    expect(await running).toMatchObject({ ...cancelled, calls: [{ status: 429 }] });
  });

  test('is not what a worker that has to stop makes of it', async () => {
    server = await startUpstream(hangsAfter(text('hello')));
    const signal = AbortSignal.abort(new Error('draining'));
    await expect(runModelStep(context(), work(), target(), FIRST, signal)).rejects.toThrow('draining');
  });
});

test('an old delivery finds a purged log, and leaves', async () => {
  server = await startUpstream(streams(text('hello'), '[DONE]'));
  const step = work();
  const log = { bus: nats.bus, partition: 0, id: step.responseId };
  const meta: LogMeta = { first: 0, last: -1, cursor: 1, writer: 'w', step: null, seal: null, ended: null };
  const streamSeq = await append(log, 0, meta, Buffer.from(''), never);
  const old = { ...step, log: { streamSeq, nextEvent: 0, cursor: 1 } };
  await nats.bus.jsm.streams.purge(logStream(0), { filter: logSubject(0, step.responseId) });
  await expect(runModelStep(context(), old, target(), AGAIN, never)).rejects.toThrow(Fenced);
  expect(server.asked).toEqual([]);
});

describe('a server that has lost what came last', () => {
  /** A log that ends two messages before the place at which the step is to begin. */
  async function cutShort(): Promise<ModelWork> {
    const step = work();
    const log = { bus: nats.bus, partition: 0, id: step.responseId };
    const meta: LogMeta = { first: 0, last: -1, cursor: 1, writer: 'w', step: null, seal: null, ended: null };
    const streamSeq = await append(log, 0, meta, Buffer.from(''), never);
    return { ...step, log: { streamSeq: streamSeq + 2, nextEvent: 2, cursor: 1 } };
  }

  /** A bus that counts what is published. */
  function counting(): { bus: Bus; published: () => number } {
    let published = 0;
    const publisher = Object.create(nats.bus.publisher) as Bus['publisher'];
    publisher.publish = (...message) => {
      published += 1;
      return nats.bus.publisher.publish(...message);
    };
    return { bus: { ...nats.bus, publisher }, published: () => published };
  }

  test('a step whose place is gone is left undone, after a few tries', async () => {
    server = await startUpstream(streams(text('hello'), '[DONE]'));
    const { bus, published } = counting();
    const step = await cutShort();
    await expect(runModelStep(context({ bus }), step, target(), FIRST, never)).rejects.toThrow(Fenced);
    expect(published()).toBe(5);
    expect(server.asked).toEqual([]);
  });

  test.each([
    ['at a place that is gone', cutShort, FIRST],
    ['in a log that has never heard of it', async () => work(), AGAIN],
  ])('a recorded step is not begun again: %s', async (_where, make, options) => {
    server = await startUpstream(streams(text('hello'), '[DONE]'));
    const step = await make();
    const asked: unknown[] = [];
    const isRecorded: ModelStepContext['isRecorded'] = async ({ responseId, stepId }) => {
      asked.push({ responseId, stepId });
      return true;
    };
    await expect(runModelStep(context({ isRecorded }), step, target(), options, never)).rejects.toThrow(StepSuperseded);
    expect(asked).toEqual([{ responseId: step.responseId, stepId: step.stepId }]);
    expect(server.asked).toEqual([]);
  });

  test('a step that has come to its end in the log is told again, whatever is recorded', async () => {
    server = await startUpstream(streams(text('hello'), '[DONE]'));
    const step = work();
    const outcome = await runModelStep(context(), step, target(), FIRST, never);
    const isRecorded = async () => true;
    const again = await runModelStep(context({ isRecorded }), step, target(), AGAIN, never);
    expect(again).toEqual({ ...outcome, calls: [] });
  });
});
