import type { UpstreamCall } from '@tailrace/bus';
import { FAILOVER_STATUSES } from '@tailrace/registry';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type FailingUpstreams, startFailingUpstreams, WAYS } from '../../../test/e2e/failing-upstreams.ts';
import { DIALECTS } from '../src/dialect.ts';
import { type Answer, type CallPolicy, callModel } from '../src/model-call.ts';
import type { OutputOp } from '../src/model-op.ts';
import type { Candidate, Upstreams } from '../src/routing/upstreams.ts';
import { modelWork } from './model-steps.ts';
import { type Asked, startUpstream, streams, type UpstreamServer } from './upstream-server.ts';
import { candidate, testClient, testRouter, unheard, upstreams } from './upstreams.ts';

const client = testClient();
let failing: FailingUpstreams;
beforeAll(async () => {
  failing = await startFailingUpstreams();
});
afterAll(async () => {
  await failing.close();
  await client.close();
});

let server: UpstreamServer;
afterEach(() => server.close());

const IMPATIENT = { connectMs: 200, firstTokenMs: 300, idleMs: 200, totalMs: 10_000 };
const SECRET = 'sk-broken-secret';
const never = new AbortController().signal;
const text = (content: string) => ({ choices: [{ delta: { content } }] });
const stop = { choices: [{ delta: {}, finish_reason: 'stop' }], usage: { prompt_tokens: 7, completion_tokens: 3 } };

const policy = (fields: Partial<CallPolicy> = {}): CallPolicy => ({
  upstream: client,
  router: testRouter(),
  announce: unheard,
  attempts: 1,
  backoffMs: 1,
  maxBackoffMs: 10,
  seal: String,
  ...fields,
});

const broken = (url: string, fields: Partial<Candidate> = {}) =>
  candidate(url, {
    target: { baseUrl: url, apiKey: SECRET, model: 'up', dialect: DIALECTS.chat },
    timeouts: IMPATIENT,
    ...fields,
  });
/** Patient: whether it is asked is not a question of time. */
const good = (fields: Partial<Candidate> = {}) => candidate(server.url, { priority: 1, ...fields });

/** What becomes of a call; an answer that begins anew is not what clients see. */
async function call(at: Upstreams, fields: Partial<CallPolicy> = {}, signal = never) {
  const work = modelWork();
  const calls: UpstreamCall[] = [];
  const told: OutputOp[] = [];
  const begun: OutputOp[][] = [];
  const sink = {
    apply: (op: OutputOp) => void told.push(op),
    ready: async () => undefined,
    restart: () => void begun.push(told.splice(0)),
  };
  const answer: Answer = await callModel({ policy: policy(fields), work, upstreams: at, sink, calls, signal });
  return { answer, calls, told, begun };
}

describe('an upstream that fails before the first token is not seen', () => {
  test.each(WAYS)('%s', async (way) => {
    server = await startUpstream(streams(text('hello'), stop, '[DONE]'));
    const price = { input: 1_000_000, cachedInput: 0, output: 2_000_000 };
    const { answer, calls, told, begun } = await call(upstreams(broken(failing.url(way)), good({ price })));
    expect(answer).toMatchObject({ error: null, finish: 'stop', usage: { total_tokens: 10 } });
    expect(told).toEqual([{ type: 'text', text: 'hello' }]);
    expect(begun.flat()).toEqual([]);
    expect(calls).toMatchObject([
      { errorCode: expect.stringMatching(/^upstream_/), firstTokenMs: null, cost: null, inputTokens: null },
      { errorCode: null, status: 200, firstTokenMs: expect.any(Number), cost: 13 },
    ]);
    expect(server.asked).toHaveLength(1);
  });

  test('and where all fail, the reason is told without a key', async () => {
    server = await startUpstream();
    const { answer, calls } = await call(
      upstreams(broken(failing.url('a 500')), broken(failing.url('a 401'), { priority: 1 })),
    );
    expect(answer.error).toMatchObject({ code: 'upstream_error', message: expect.stringContaining('401') });
    expect(JSON.stringify([answer.error?.message, calls])).not.toContain(SECRET);
    expect(answer.error?.message).toContain('Incorrect API key provided: ***');
  });

  test('and is asked again when nobody else is left', async () => {
    server = await startUpstream(
      ({ response }) => void response.writeHead(503).end(),
      streams(text('hello'), stop, '[DONE]'),
    );
    const { answer, calls } = await call(upstreams(broken(failing.url('a 401')), good()), { attempts: 2 });
    expect(answer.error).toBeNull();
    expect(calls.map(({ status }) => status)).toEqual([401, 503, 200]);
  });
});

describe('an upstream whose key is wrong, or that has not the model', () => {
  const failoverStatuses = new Set(FAILOVER_STATUSES);
  const refuses =
    (status: number) =>
    ({ response }: Asked): void =>
      void response.writeHead(status).end('{"error":"not here"}');

  test.each([401, 403, 404])(
    '%i: by default another one is asked, and that one is left alone in time',
    async (status) => {
      server = await startUpstream(streams(text('hello'), stop, '[DONE]'));
      const wrong = await startUpstream(refuses(status));
      const at = { ...upstreams(broken(wrong.url), good()), failoverStatuses };
      const router = testRouter({ restMs: 60_000, maxRestMs: 60_000 });
      for (let each = 0; each < 5; each += 1) {
        expect((await call(at, { router, attempts: 3 })).answer.error).toBeNull();
      }
      expect(wrong.asked).toHaveLength(3);
      expect(server.asked).toHaveLength(5);
      await wrong.close();
    },
  );

  test.each([401, 403, 404])('%i: is told where there is no other, at once', async (status) => {
    server = await startUpstream(refuses(status));
    const at = { ...upstreams(good()), failoverStatuses };
    const router = testRouter({ restMs: 60_000, maxRestMs: 60_000 });
    for (let each = 1; each <= 5; each += 1) {
      const { answer } = await call(at, { router, attempts: 3 });
      expect(answer.error?.info).toEqual({
        code: 'upstream_error',
        message: `The model server answered ${status}: not here`,
      });
      expect(server.asked).toHaveLength(each);
    }
  });
});

describe('what another upstream would not mend', () => {
  test('a request that is refused', async () => {
    server = await startUpstream(({ response }) => void response.writeHead(422).end('{"error":"too rude"}'));
    const { answer, calls } = await call(upstreams(good(), broken(failing.url('a 500'), { priority: 2 })));
    expect(answer.error?.message).toBe('The model server answered 422: too rude');
    expect(calls).toHaveLength(1);
  });

  test('an answer that has begun is the same upstream’s to go on with', async () => {
    const other = await startUpstream(streams(text('other'), stop, '[DONE]'));
    server = await startUpstream(streams(text('hel')), streams(text('hello'), stop, '[DONE]'));
    const { answer, calls, told, begun } = await call(upstreams(good(), candidate(other.url, { priority: 2 })), {
      attempts: 2,
    });
    expect(answer.error).toBeNull();
    expect([begun.flat(), told]).toEqual([[{ type: 'text', text: 'hel' }], [{ type: 'text', text: 'hello' }]]);
    expect(calls.map(({ errorCode }) => errorCode)).toEqual(['upstream_cut', null]);
    expect(other.asked).toEqual([]);
    await other.close();
  });
});

describe('time', () => {
  test('to connect is bounded by itself', async () => {
    server = await startUpstream();
    const timeouts = { ...IMPATIENT, connectMs: 100, firstTokenMs: 10_000 };
    const { answer } = await call(upstreams(broken(failing.url('a connection that is never made'), { timeouts })));
    expect(answer.error).toMatchObject({ code: 'upstream_unreachable', message: expect.stringContaining('Connect') });
  });

  test('that a model takes to think is not idle; what it takes between two tokens is', async () => {
    const idle = { ...IMPATIENT, firstTokenMs: 5_000, idleMs: 100 };
    server = await startUpstream(({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      setTimeout(() => response.write(`data: ${JSON.stringify(text('hello'))}\n\n`), 300);
    });
    const { answer, told } = await call(upstreams(good({ timeouts: idle })));
    expect(told).toEqual([{ type: 'text', text: 'hello' }]);
    expect(answer.error).toMatchObject({ code: 'upstream_timeout', message: expect.stringContaining('100 ms') });
  });

  test('for everything together is bounded, however much comes', async () => {
    server = await startUpstream(({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const more = setInterval(() => response.write(`data: ${JSON.stringify(text('x'))}\n\n`), 20);
      response.once('close', () => clearInterval(more));
    });
    const { answer, calls } = await call(upstreams(good({ timeouts: { ...IMPATIENT, totalMs: 200 } })), {
      attempts: 3,
    });
    expect(answer.error).toMatchObject({ code: 'upstream_timeout', message: expect.stringContaining('200 ms') });
    expect(calls).toHaveLength(1);
  });
});

test('an upstream that fails again and again is left alone', async () => {
  server = await startUpstream(streams(text('hello'), stop, '[DONE]'));
  const router = testRouter({ restMs: 60_000, maxRestMs: 60_000 });
  const at = upstreams(broken(failing.url('no JSON')), good());
  const before = failing.asked('no JSON');
  for (let each = 0; each < 5; each += 1) expect((await call(at, { router })).answer.error).toBeNull();
  expect(failing.asked('no JSON') - before).toBe(3);
});
