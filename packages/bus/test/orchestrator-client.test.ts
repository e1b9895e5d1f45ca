/** Who asks for a response is told one thing, and it holds. */
import type { Msg, SubscriptionOptions } from '@nats-io/nats-core';
import { newId } from '@tailrace/protocol';
import { expect, test } from 'vitest';
import {
  ADMIT_SUBJECT,
  type Bus,
  type CreateCommand,
  encodeMessage,
  hasGivenUp,
  isWaitedFor,
  LEAST_WAIT_MS,
  OrchestratorClient,
  PublishRejected,
  PublishUncertain,
  type StoredAck,
} from '../src/index.ts';

const TIMEOUT_MS = 200;
const CREATE = {
  id: newId(Date.now()),
  owner: 'alice',
  correlationId: 'c',
  bodyHash: null,
} as unknown as Parameters<OrchestratorClient['ask']>[1] & { bodyHash: string | null };

/** A message that was published, as the test deals with it. */
type Published = CreateCommand & { subject: string };

/** A client whose messages come to `handle`, which says what JetStream does; `tell` reaches the client's inbox. */
function clientWith(
  handle: (command: Published, tell: (reply: object) => void) => Promise<StoredAck>,
  { timeoutMs = TIMEOUT_MS } = {},
) {
  const published: Published[] = [];
  let hear: SubscriptionOptions['callback'];
  const say = (subject: string, data: Uint8Array, respond?: (data: Uint8Array) => void) =>
    hear?.(null, { subject, data, ...(respond ? { reply: 'back', respond } : {}) } as unknown as Msg);
  const nc = {
    info: { max_payload: 1_000_000 },
    subscribe: (_subject: string, options: SubscriptionOptions) => {
      hear = options.callback;
    },
    // Nobody admits anything here.
    request: (subject: string) =>
      new Promise((resolve) => {
        if (subject !== ADMIT_SUBJECT) say(subject, new Uint8Array(), (data) => resolve({ data }));
      }),
    publish: () => undefined,
  };
  const publisher = {
    publish(subject: string, data: Uint8Array) {
      const command = { ...(JSON.parse(Buffer.from(data).toString()) as CreateCommand), subject };
      published.push(command);
      return handle(command, (reply) => say(command.replyTo, encodeMessage(reply as never)));
    },
  };
  const errors: unknown[] = [];
  const log = { error: (what: unknown) => errors.push(what) };
  const bus = { nc, publisher, log } as unknown as Bus;
  return { client: new OrchestratorClient({ bus, partitions: 1, timeoutMs }), published, errors, bus };
}

const STORED = { stream: 'TR_CHAIN', seq: 1, duplicate: false };
const kinds = (published: Published[]) => published.map(({ subject }) => subject.split('.').at(-1));

test('the answer decides, whatever became of the acknowledgement', async () => {
  const { client, published } = clientWith(async ({ subject }, tell) => {
    setTimeout(() => tell({ accepted: true, existed: false }), 20);
    throw new PublishUncertain(subject, 'no acknowledgement');
  });
  await expect(client.ask('create', CREATE as never)).resolves.toEqual({ existed: false });
  expect(kinds(published)).toEqual(['create']);
});

test('an answer that comes before the acknowledgement is not kept waiting for it', async () => {
  const { client } = clientWith((_command, tell) => {
    tell({ accepted: true, existed: false });
    return new Promise(() => undefined);
  });
  await expect(client.ask('create', CREATE as never)).resolves.toEqual({ existed: false });
});

test('what no answer comes about is withdrawn, and orchestrators that ask are told so', async () => {
  const { client, published, bus } = clientWith(async () => STORED);
  const asked = client.ask('create', CREATE as never);
  const [create] = published;
  if (!create) throw new Error('nothing was published');
  expect(await isWaitedFor(bus, create, true)).toBe(true);
  expect(await hasGivenUp(bus, create)).toBe(false);
  await expect(asked).rejects.toMatchObject({ code: 'unavailable' });
  expect(await isWaitedFor(bus, create, true)).toBe(false);
  expect(await hasGivenUp(bus, create)).toBe(true);
  expect(kinds(published)).toEqual(['create', 'withdraw']);
  expect(published[1]).toMatchObject({ id: CREATE.id, owner: 'alice' });
});

test('who leaves waits no longer than it must, and has withdrawn what nobody has answered', async () => {
  const { client, published, bus } = clientWith(async () => STORED, { timeoutMs: 60_000 });
  const begun = performance.now();
  const asked = client.ask('create', CREATE as never);
  const admitted = client.admit({ id: 'call', lease: false } as never);
  client.leave();
  await expect(asked).rejects.toMatchObject({ code: 'unavailable' });
  await expect(admitted).rejects.toMatchObject({ code: 'unavailable' });
  expect(performance.now() - begun).toBeGreaterThanOrEqual(LEAST_WAIT_MS - 1);
  const [create] = published;
  if (!create) throw new Error('nothing was published');
  expect(await hasGivenUp(bus, create)).toBe(true);
  await client.end(1_000);
  expect(kinds(published)).toEqual(['create', 'withdraw']);
});

test('what an Idempotency-Key leads to is not withdrawn', async () => {
  const { client, published } = clientWith(async () => STORED);
  const keyed = { ...CREATE, bodyHash: 'hash' };
  await expect(client.ask('create', keyed as never)).rejects.toMatchObject({ code: 'unavailable' });
  expect(kinds(published)).toEqual(['create']);
});

test('what NATS refuses is told at once', async () => {
  const { client } = clientWith(async ({ subject }) => {
    throw new PublishRejected(subject, 10_077, 'maximum bytes exceeded');
  });
  const begun = performance.now();
  await expect(client.ask('create', CREATE as never)).rejects.toMatchObject({ code: 'unavailable' });
  expect(performance.now() - begun).toBeLessThan(TIMEOUT_MS);
});

test('who has had an answer has not given up', async () => {
  const { client, published, bus } = clientWith(async (_command, tell) => {
    tell({ accepted: true, existed: false });
    return STORED;
  });
  await client.ask('create', CREATE as never);
  const [create] = published;
  if (!create) throw new Error('nothing was published');
  expect(await hasGivenUp(bus, create)).toBe(false);
  expect(await isWaitedFor(bus, create, true)).toBe(false);
});

test('a withdrawal that NATS does not take in time is told in the log', async () => {
  const { client, errors } = clientWith(async ({ subject }) => {
    throw new PublishUncertain(subject, 'no acknowledgement');
  });
  await client.withdraw(CREATE as never, 120);
  expect(errors).toHaveLength(1);
});

test('a process that ends waits for its withdrawals, and not for ever', async () => {
  let reachable = false;
  const { client, published, errors } = clientWith(async ({ subject }) => {
    if (!reachable) throw new PublishUncertain(subject, 'no acknowledgement');
    return STORED;
  });
  void client.withdraw(CREATE as never, 60_000);
  const ended = client.end(60_000);
  reachable = true;
  await ended;
  expect(kinds(published).length).toBeGreaterThan(1);
  expect(errors).toEqual([]);
  reachable = false;
  void client.withdraw(CREATE as never, 60_000);
  await client.end(50);
  expect(errors).toHaveLength(1);
});
