import { createInbox, type Subscription } from '@nats-io/nats-core';
import {
  type Bus,
  connectBus,
  decodeRelay,
  encodeRelay,
  type RelayAnswer,
  type RelayKind,
  type RelayWord,
  relaySubject,
} from '@tailrace/bus';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type TestNats, testNats } from '../../../packages/log/test/nats.ts';
import { RelayFailed, type RelayOptions } from '../src/relay/relay-call.ts';
import { RelayInbox } from '../src/relay/relay-inbox.ts';

let nats: TestNats;
let workers: Bus;
beforeAll(async () => {
  nats = await testNats();
  workers = await connectBus({ url: nats.url, name: 'worker' });
});
afterAll(async () => {
  await workers.close();
  await nats.stop();
});

const OPTIONS: RelayOptions = { windowBytes: 100, queueMs: 5_000, aliveMs: 20, silenceMs: 5_000, attempts: 2 };
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

function open(options: Partial<RelayOptions> = {}) {
  const inbox = new RelayInbox(nats.bus, { ...OPTIONS, ...options });
  const call = inbox.open();
  closing.push(() => call.close());
  return { inbox, call };
}

/** A worker, as far as a gateway hears of it. */
class Worker {
  readonly said: RelayWord[] = [];
  readonly #replyTo: string;
  readonly #line: string;
  readonly #control = createInbox();
  readonly #heard: Subscription;
  #seq = 1;

  constructor(replyTo: string, line: string) {
    this.#replyTo = replyTo;
    this.#line = line;
    this.#heard = workers.nc.subscribe(this.#control, {
      callback: (_error, message) => void this.said.push(decodeRelay(message.subject, message.data)),
    });
    closing.push(() => this.#heard.unsubscribe());
  }

  async begin(): Promise<RelayAnswer> {
    await Promise.all([nats.bus.nc.flush(), workers.nc.flush()]);
    const subject = relaySubject(this.#replyTo, { line: this.#line, kind: 'begin', seq: 0 });
    const answer = await workers.nc.request(subject, encodeRelay({ control: this.#control }), { timeout: 2_000 });
    return decodeRelay(subject, answer.data);
  }

  tell(kind: RelayKind, bytes: Uint8Array | string = '', seq = this.#seq): void {
    workers.nc.publish(relaySubject(this.#replyTo, { line: this.#line, kind, seq }), bytes);
    if (kind !== 'alive') this.#seq = seq + 1;
  }

  answer(text: string, streams = true): void {
    this.tell('head', encodeRelay({ streams }));
    this.tell('data', text);
  }

  get upTo(): number {
    return Math.max(0, ...this.said.map((word) => ('upTo' in word ? word.upTo : 0)));
  }

  get isLeft(): boolean {
    return this.said.some((word) => 'gone' in word);
  }
}

async function textOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts).toString();
}

const failureOf = async (waiting: Promise<unknown>) => {
  const error = await waiting.catch((thrown: unknown) => thrown);
  if (!(error instanceof RelayFailed)) throw new Error('nothing failed', { cause: error });
  return error.failure;
};

test('an answer comes through in order', async () => {
  const { call, inbox } = open();
  const worker = new Worker(call.replyTo, 'one');
  expect(await worker.begin()).toEqual({ window: 100 });
  worker.answer('hello ');
  worker.tell('alive');
  worker.tell('data', 'world');
  worker.tell('end');
  expect(await call.answer()).toEqual({ streams: true });
  expect(await textOf(call.bytes())).toBe('hello world');
  call.close();
  expect(inbox.size).toBe(0);
});

test('a worker may send as much as its client has taken, and the window', async () => {
  const { call } = open();
  const worker = new Worker(call.replyTo, 'one');
  await worker.begin();
  worker.answer('x'.repeat(100));
  await call.answer();
  await expect.poll(() => worker.said.length, { interval: 5 }).toBeGreaterThan(2);
  expect(worker.upTo).toBe(100);
  const bytes = call.bytes();
  await bytes.next();
  const more = bytes.next();
  await expect.poll(() => worker.upTo, { interval: 5 }).toBe(200);
  worker.tell('end');
  expect((await more).done).toBe(true);
});

test('one that sends more is not listened to any longer', async () => {
  const { call } = open();
  const worker = new Worker(call.replyTo, 'one');
  await worker.begin();
  worker.answer('x'.repeat(101));
  await call.answer();
  expect(await failureOf(textOf(call.bytes()))).toMatchObject({ error: { code: 'internal_error' } });
});

test('what is lost on the way is noticed, also when nothing follows', async () => {
  for (const kind of ['data', 'end', 'alive'] as const) {
    const { call } = open();
    const worker = new Worker(call.replyTo, 'one');
    await worker.begin();
    worker.answer('hello');
    await call.answer();
    worker.tell(kind, '', 9);
    expect(await failureOf(textOf(call.bytes()))).toMatchObject({ error: { code: 'upstream_cut' } });
  }
});

test('a worker that dies before the first byte is followed by another, unseen', async () => {
  const { call } = open();
  const [first, second] = [new Worker(call.replyTo, 'one'), new Worker(call.replyTo, 'two')];
  await first.begin();
  first.tell('head', encodeRelay({ streams: true }));
  expect(await second.begin()).toEqual({ window: 100 });
  await expect.poll(() => first.isLeft).toBe(true);
  first.tell('data', 'late');
  second.answer('hello', false);
  second.tell('end');
  expect(await call.answer()).toEqual({ streams: false });
  expect(await textOf(call.bytes())).toBe('hello');
});

test('a worker that dies after it ends the answer; another one is not let in', async () => {
  const { call } = open();
  await new Worker(call.replyTo, 'one').begin();
  const first = new Worker(call.replyTo, 'two');
  await first.begin();
  first.answer('hel');
  await call.answer();
  expect(await new Worker(call.replyTo, 'three').begin()).toEqual({ gone: true });
  expect(await failureOf(textOf(call.bytes()))).toMatchObject({ error: { code: 'upstream_cut' } });
});

test('a worker that falls silent is gone', async () => {
  const { call } = open({ silenceMs: 60 });
  const worker = new Worker(call.replyTo, 'one');
  await worker.begin();
  worker.answer('hel');
  await call.answer();
  expect(await failureOf(textOf(call.bytes()))).toMatchObject({ error: { code: 'upstream_cut' } });
});

test('a call that no worker takes, or too many, is given up', async () => {
  const { call: waiting } = open({ queueMs: 30 });
  expect(await failureOf(waiting.answer())).toMatchObject({ error: { code: 'unavailable' }, retryAfter: 1 });
  const { call } = open();
  for (const line of ['one', 'two']) expect(await new Worker(call.replyTo, line).begin()).toEqual({ window: 100 });
  expect(await new Worker(call.replyTo, 'three').begin()).toEqual({ gone: true });
  expect(await failureOf(call.answer())).toMatchObject({ error: { code: 'attempts_exhausted' } });
});

test('a worker’s refusal is told, and one in the middle as well', async () => {
  const { call } = open();
  const failure = {
    error: { code: 'upstream_error' as const, message: 'no' },
    retryAfter: 7,
    refusal: { status: 400, body: '{}' },
  };
  const worker = new Worker(call.replyTo, 'one');
  await worker.begin();
  worker.tell('fail', encodeRelay(failure));
  expect(await failureOf(call.answer())).toEqual(failure);
});

test('what cannot be read of a worker ends the call, and nothing else', async () => {
  const { call, inbox } = open();
  const worker = new Worker(call.replyTo, 'one');
  await worker.begin();
  const other = inbox.open();
  closing.push(() => other.close());
  worker.tell('head', 'no JSON');
  expect(await failureOf(call.answer())).toMatchObject({ error: { code: 'internal_error' } });
  expect(await new Worker(other.replyTo, 'two').begin()).toEqual({ window: 100 });
});

test('a client that leaves ends the call; who comes later is told', async () => {
  const { call } = open();
  const worker = new Worker(call.replyTo, 'one');
  await worker.begin();
  const waiting = failureOf(call.answer());
  call.close();
  expect(await waiting).toMatchObject({ error: { code: 'unavailable' } });
  await expect.poll(() => worker.isLeft).toBe(true);
  expect(await new Worker(call.replyTo, 'two').begin()).toEqual({ gone: true });
});
