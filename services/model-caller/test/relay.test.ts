import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  type Bus,
  connectBus,
  decodeMessage,
  decodeRelay,
  encodeRelay,
  parseRelaySubject,
  RELEASE_SUBJECT,
  type RelayBegin,
  type RelayEndpoint,
  type RelayFailure,
  type RelayWord,
  type RelayWork,
  type Release,
} from '@tailrace/bus';
import { newId } from '@tailrace/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type TestNats, testNats } from '../../../packages/log/test/nats.ts';
import { type FailingUpstreams, startFailingUpstreams, WAYS } from '../../../test/e2e/failing-upstreams.ts';
import { DIALECTS } from '../src/dialect.ts';
import { RelayLines } from '../src/relay/relay-line.ts';
import { type RelayPolicy, runRelay } from '../src/relay/relay-run.ts';
import type { Upstreams } from '../src/routing/upstreams.ts';
import { type Asked, startUpstream, streams, type UpstreamServer } from './upstream-server.ts';
import { candidate, testClient, testRouter, unheard, upstreams } from './upstreams.ts';

const client = testClient();
let failing: FailingUpstreams;
let nats: TestNats;
let gateways: Bus;
let lines: RelayLines;
/** The calls whose places have been told to be free. */
const released: string[] = [];
beforeAll(async () => {
  failing = await startFailingUpstreams();
  nats = await testNats();
  gateways = await connectBus({ url: nats.url, name: 'gateway' });
  gateways.nc.subscribe(RELEASE_SUBJECT, {
    callback: (_error, { subject, data }) => void released.push(decodeMessage<Release>(subject, data).id),
  });
  lines = new RelayLines(nats.bus, { aliveMs: 100, silenceMs: 2_000 });
});
afterAll(async () => {
  await gateways.close();
  await nats.stop();
  await failing.close();
  await client.close();
});

let server: UpstreamServer;
afterEach(() => server.close());

const IMPATIENT = { connectMs: 200, firstTokenMs: 300, idleMs: 300, totalMs: 10_000 };
const SECRET = 'sk-broken-secret';
const never = new AbortController().signal;

const role = { choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] };
const text = (content: string) => ({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const stop = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
const usage = { choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } };
const whole = {
  choices: [{ message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: usage.usage,
};
const vectors = { object: 'list', data: [{ embedding: [1] }], usage: { prompt_tokens: 4, total_tokens: 4 } };
const sends =
  (body: object, status = 200) =>
  ({ response }: Asked): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };

/** A gateway, as far as a worker hears of it: it lets so many bytes come at once, and notes everything. */
class Gateway {
  readonly id = newId(Date.now());
  readonly replyTo = `test.${this.id}`;
  readonly seqs: number[] = [];
  begun = false;
  ended = false;
  streams: boolean | null = null;
  text = '';
  failure: RelayFailure | null = null;
  control = '';
  readonly #window: number;
  readonly #stop: () => void;

  constructor(window = 100_000) {
    this.#window = window;
    const heard = gateways.nc.subscribe(`${this.replyTo}.>`, {
      callback: (_error, message) => {
        const { kind, seq } = parseRelaySubject(message.subject);
        if (kind !== 'alive') this.seqs.push(seq);
        const { subject, data } = message;
        if (kind === 'begin') {
          this.control = decodeRelay<RelayBegin>(subject, data).control;
          message.respond(encodeRelay({ window }));
        } else if (kind === 'head') this.streams = (JSON.parse(data.toString()) as { streams: boolean }).streams;
        else if (kind === 'data') this.text += Buffer.from(data).toString();
        else if (kind === 'fail') this.failure = decodeRelay<RelayFailure>(subject, data);
        else if (kind === 'end') this.ended = true;
      },
    });
    const alive = setInterval(() => this.#say({ upTo: 0 }), 100);
    this.#stop = () => {
      clearInterval(alive);
      heard.unsubscribe();
    };
  }

  /** The client has read everything so far. */
  take(): void {
    this.#say({ upTo: this.text.length + this.#window });
  }

  leave(): void {
    this.#say({ gone: true });
  }

  close(): void {
    this.#stop();
  }

  #say(word: RelayWord): void {
    if (this.control !== '') gateways.nc.publish(this.control, encodeRelay(word));
  }
}

const policy = (fields: Partial<RelayPolicy> = {}): RelayPolicy => ({
  upstream: client,
  router: testRouter(),
  announce: unheard,
  attempts: 1,
  backoffMs: 1,
  maxBackoffMs: 10,
  ...fields,
});

function work(gateway: Gateway, { endpoint = 'chat.completions', body = STREAM, leased = false }: Relayed): RelayWork {
  const { id } = gateway;
  return {
    kind: 'relay',
    responseId: id,
    stepId: id,
    attempt: 1,
    model: 'm',
    endpoint,
    body: { model: 'm', ...body },
    replyTo: gateway.replyTo,
    owner: 'o',
    keyName: 'k',
    groups: [],
    leased,
    correlationId: 'c',
  };
}

const STREAM = { stream: true, messages: [] };

interface Relayed {
  endpoint?: RelayEndpoint;
  body?: Record<string, unknown>;
  policy?: Partial<RelayPolicy>;
  signal?: AbortSignal;
  leased?: boolean;
}

/** Passes a call on to its end. */
async function relay(at: Upstreams, gateway: Gateway, asked: Relayed = {}) {
  await gateways.nc.flush();
  const task = work(gateway, asked);
  const line = await lines.open(task.replyTo);
  if (!line) throw new Error('nobody waits');
  try {
    const outcome = await runRelay(policy(asked.policy), task, at, line, asked.signal ?? never);
    await nats.bus.nc.flush();
    await expect.poll(() => gateway.ended || gateway.failure !== null || line.signal.aborted).toBe(true);
    return outcome;
  } finally {
    line.close();
    gateway.close();
  }
}

const frames = (...chunks: (object | string)[]) =>
  chunks.map((chunk) => `data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`).join('');
const broken = (url: string) =>
  candidate(url, {
    target: { baseUrl: url, apiKey: SECRET, model: 'up', dialect: DIALECTS.chat },
    timeouts: IMPATIENT,
  });
const good = () => candidate(server.url, { priority: 1, timeouts: IMPATIENT });

const KINDS = {
  'a stream': {
    asked: { body: { stream: true, messages: [] } },
    answer: streams(role, text('hello'), stop, usage, '[DONE]'),
    got: frames(role, text('hello'), stop, '[DONE]'),
    tokens: 10,
  },
  'a whole answer': {
    asked: { body: { messages: [] } },
    answer: sends(whole),
    got: JSON.stringify(whole),
    tokens: 10,
  },
  embeddings: {
    asked: { endpoint: 'embeddings' as const, body: { input: 'text' } },
    answer: sends(vectors),
    got: JSON.stringify(vectors),
    tokens: 4,
  },
};

describe.each(Object.entries(KINDS))('%s', (_name, { asked, answer, got, tokens }) => {
  test.each(WAYS)('does not show %s', async (way) => {
    server = await startUpstream(answer);
    const gateway = new Gateway();
    const outcome = await relay(upstreams(broken(failing.url(way)), good()), gateway, asked);
    expect(gateway).toMatchObject({ text: got, failure: null, ended: true });
    expect(gateway.seqs).toEqual(gateway.seqs.map((_, at) => at));
    expect(outcome.tokens).toBe(tokens);
    expect(outcome.calls).toMatchObject([
      { errorCode: expect.stringMatching(/^upstream_/), firstTokenMs: null },
      { errorCode: null, firstTokenMs: expect.any(Number), inputTokens: expect.any(Number) },
    ]);
  });
});

describe('a request', () => {
  test('goes on as it is, but for the model and the question for tokens', async () => {
    server = await startUpstream(streams(text('hello'), stop, usage, '[DONE]'));
    const gateway = new Gateway();
    const body = {
      stream: true,
      stream_options: { other: 1 },
      messages: [{ role: 'user', content: 'é' }],
      new: [null],
    };
    await relay(upstreams(good()), gateway, { body });
    const sent = { ...body, model: 'up', stream_options: { other: 1, include_usage: true } };
    expect(server.asked).toMatchObject([{ path: '/v1/chat/completions', body: sent }]);
    expect(gateway.text).not.toContain('total_tokens');
  });

  test('that asks for tokens is told them', async () => {
    server = await startUpstream(streams(text('hello'), stop, usage, '[DONE]'));
    const gateway = new Gateway();
    const body = { stream: true, stream_options: { include_usage: true }, messages: [] };
    await relay(upstreams(good()), gateway, { body });
    expect(gateway.text).toBe(frames(text('hello'), stop, usage, '[DONE]'));
  });

  test('that its upstream takes for wrong is answered in its words, without its key', async () => {
    server = await startUpstream(sends({ error: { message: `too rude for ${SECRET}`, code: 'rude' } }, 400));
    const gateway = new Gateway();
    await relay(upstreams(broken(server.url), broken(failing.url('a 500'))), gateway, { policy: { router: first() } });
    const refusal = { status: 400, body: '{"error":{"message":"too rude for ***","code":"rude"}}' };
    expect(gateway.failure).toMatchObject({ error: { code: 'upstream_error' }, refusal });
  });

  test('of a model that speaks no chat completions is refused', async () => {
    server = await startUpstream();
    const gateway = new Gateway();
    const target = { baseUrl: server.url, apiKey: null, model: 'up', dialect: DIALECTS.responses };
    const outcome = await relay(upstreams(candidate(server.url, { target })), gateway);
    expect(gateway.failure?.error.code).toBe('endpoint_not_served');
    expect(outcome).toEqual({ tokens: 0, calls: [] });
  });
});

/** Chooses the first of equals. */
const first = () => testRouter({ random: () => 0 });

describe('an answer that breaks off', () => {
  test('after its first token is told to be broken, and asked of nobody else', async () => {
    const other = await startUpstream(streams(text('other'), '[DONE]'));
    server = await startUpstream(streams(role, text('hello')));
    const gateway = new Gateway();
    const at = upstreams(candidate(server.url), candidate(other.url, { priority: 2 }));
    const outcome = await relay(at, gateway, { policy: { attempts: 3 } });
    expect(gateway.text).toBe(frames(role, text('hello')));
    expect(gateway.failure).toMatchObject({ error: { code: 'upstream_cut' } });
    expect(outcome).toMatchObject({ tokens: expect.any(Number), calls: [{ errorCode: 'upstream_cut' }] });
    expect(outcome.tokens).toBeGreaterThan(0);
    expect(other.asked).toEqual([]);
    await other.close();
  });

  test('and was whole but for [DONE] is whole', async () => {
    server = await startUpstream(streams(text('hello'), stop));
    const gateway = new Gateway();
    await relay(upstreams(good()), gateway);
    expect(gateway).toMatchObject({ text: frames(text('hello'), stop, '[DONE]'), ended: true });
  });
});

describe('a client', () => {
  test('that reads slowly slows the upstream down; nothing is lost', async () => {
    const long = 'x'.repeat(1_000);
    server = await startUpstream(streams(...Array.from({ length: 50 }, () => text(long)), stop, '[DONE]'));
    const gateway = new Gateway(1_500);
    const running = relay(upstreams(good()), gateway);
    for (let taken = 0; !gateway.ended; ) {
      await expect.poll(() => gateway.text.length > taken || gateway.ended, { interval: 1 }).toBe(true);
      expect(gateway.text.length - taken).toBeLessThanOrEqual(1_500);
      taken = gateway.text.length;
      gateway.take();
    }
    await running;
    expect(gateway.text).toBe(frames(...Array.from({ length: 50 }, () => text(long)), stop, '[DONE]'));
  });

  test('that leaves ends the call of the upstream', async () => {
    server = await startUpstream(({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(frames(text('hello')));
    });
    const gateway = new Gateway();
    const running = relay(upstreams(candidate(server.url)), gateway);
    await expect.poll(() => gateway.text).not.toBe('');
    const [asked] = server.asked;
    if (!asked) throw new Error('nobody was asked');
    const left = once(asked.response, 'close');
    gateway.leave();
    await left;
    expect(await running).toMatchObject({ calls: [{ errorCode: 'client_gone', status: 200 }] });
    expect(gateway.failure).toBeNull();
  });

  test('whose gateway dies is gone', async () => {
    server = await startUpstream(({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(frames(role));
    });
    const gateway = new Gateway();
    const running = relay(upstreams(candidate(server.url)), gateway);
    await expect.poll(() => server.asked.length).toBe(1);
    gateway.close();
    expect(await running).toMatchObject({ tokens: 0, calls: [{ errorCode: 'client_gone' }] });
  });

  test('that is not there is not served', async () => {
    server = await startUpstream();
    expect(await lines.open(`test.${randomUUID()}`)).toBeNull();
  });
});

describe('the place of a call among those of its key', () => {
  const told = async (id: string) => {
    await Promise.all([nats.bus.nc.flush(), gateways.nc.flush()]);
    return released.filter((each) => each === id).length;
  };
  const hangs = ({ response }: Asked) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(frames(role));
  };

  test('is free when the gateway dies before the answer', async () => {
    server = await startUpstream(hangs);
    const gateway = new Gateway();
    const running = relay(upstreams(candidate(server.url)), gateway);
    await expect.poll(() => server.asked.length).toBe(1);
    expect(await told(gateway.id)).toBe(0);
    gateway.close();
    await running;
    expect(await told(gateway.id)).toBe(1);
  });

  test('is free when the gateway has died before the call is taken', async () => {
    server = await startUpstream();
    const gateway = new Gateway();
    gateway.close();
    await gateways.nc.flush();
    expect(await lines.open(gateway.replyTo)).toBeNull();
    expect(await told(gateway.id)).toBe(1);
  });

  test('is free when a call that holds one comes to nothing: nobody may be there any more to say so', async () => {
    server = await startUpstream(sends({}, 400), sends({}, 400));
    for (const leased of [true, false]) {
      const gateway = new Gateway();
      await relay(upstreams(candidate(server.url)), gateway, { leased });
      expect(await told(gateway.id)).toBe(leased ? 1 : 0);
    }
  });

  test('is for the gateway to give back where it lives, and for the result where there is one', async () => {
    server = await startUpstream(hangs, streams(text('hello'), stop, usage, '[DONE]'));
    const left = new Gateway();
    const running = relay(upstreams(candidate(server.url)), left, { leased: true });
    await expect.poll(() => server.asked.length).toBe(1);
    left.leave();
    await running;
    expect(await told(left.id)).toBe(0);
    const whole = new Gateway();
    expect(await relay(upstreams(candidate(server.url)), whole, { leased: true })).toMatchObject({ tokens: 10 });
    expect(await told(whole.id)).toBe(0);
  });
});

describe('a worker that has to stop', () => {
  test('leaves a call that has not begun to another', async () => {
    server = await startUpstream(() => undefined);
    const gateway = new Gateway();
    const stopping = new AbortController();
    const running = relay(upstreams(candidate(server.url)), gateway, { signal: stopping.signal });
    await expect.poll(() => server.asked.length).toBe(1);
    stopping.abort(new Error('draining'));
    await expect(running).rejects.toThrow('draining');
    expect(gateway.failure).toBeNull();
  });

  test('tells of one that has', async () => {
    server = await startUpstream(({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(frames(text('hello')));
    });
    const gateway = new Gateway();
    const stopping = new AbortController();
    const running = relay(upstreams(candidate(server.url)), gateway, { signal: stopping.signal });
    await expect.poll(() => gateway.text).not.toBe('');
    stopping.abort(new Error('draining'));
    await running;
    expect(gateway.failure).toMatchObject({ error: { code: 'internal_error' } });
  });
});
