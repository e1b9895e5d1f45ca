/** Responses whose clients have been told that there is none. */
import { type CreateCommand, encodeMessage, type Reply, type Waiting } from '@tailrace/bus';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { handleChainMessage } from '../src/chain-messages.ts';
import { changeConversation } from '../src/change-conversation.ts';
import { createResponse } from '../src/create-response.ts';
import { ChainBench } from './chain-bench.ts';
import { createCommand } from './limits/limited-database.ts';

let bench: ChainBench;
beforeAll(async () => {
  bench = await ChainBench.start();
});
afterAll(() => bench?.stop());

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Somebody who asks; what is asked back is answered in this order, the last one for ever. */
function asker(...standings: Waiting[]): { replyTo: string; replies: Reply[] } {
  const replyTo = `asker.${crypto.randomUUID()}`;
  const replies: Reply[] = [];
  const subscription = bench.bus.nc.subscribe(replyTo, {
    callback: (_error, message) => {
      if (!message.reply) replies.push(JSON.parse(Buffer.from(message.data).toString()) as Reply);
      else message.respond(encodeMessage((standings.length > 1 ? standings.shift() : standings[0]) ?? GONE));
    },
  });
  closing.push(() => subscription.unsubscribe());
  return { replyTo, replies };
}

const WAITS: Waiting = { waiting: true };
const GONE: Waiting = { waiting: false };
const GAVE_UP: Waiting = { waiting: false, gaveUp: true };
const LONG_AGO = 3_600_000;

function deliver(kind: string, command: object, redelivered = false): Promise<void> {
  const message = {
    subject: `tr.chain.0.${kind}`,
    data: Buffer.from(JSON.stringify(command)),
    headers: undefined,
    redelivered,
    deliveryCount: redelivered ? 2 : 1,
    term: () => undefined,
  };
  return handleChainMessage(bench.context(), message, bench.signal);
}

async function isThere({ id }: Pick<CreateCommand, 'id'>): Promise<boolean> {
  const row = await bench.database.selectFrom('responses').select('id').where('id', '=', id).executeTakeFirst();
  return row !== undefined;
}

const workOf = async () => (await bench.bus.jsm.streams.info('TR_WORK')).state.messages;

test('what is withdrawn is removed, also from its conversation; the webhooks hear nothing of it', async () => {
  const conversationId = crypto.randomUUID();
  await changeConversation(bench.context(), {
    ...createCommand([]),
    id: conversationId,
    change: { type: 'create', metadata: {}, items: [], batch: 'b' },
  });
  await bench.database
    .insertInto('registry_webhooks')
    .values({
      name: 'w',
      url: 'http://w',
      secret_sealed: '',
      events: ['response.failed'],
      owners: null,
      from_file: false,
    })
    .execute();
  const { request } = createCommand([]);
  const background = { ...request, body: { ...request.body, background: true } };
  const command = createCommand([], { conversationId, request: background });
  await deliver('create', command);
  expect(await isThere(command)).toBe(true);
  await deliver('withdraw', { ...command, owner: 'bob' });
  expect(await isThere(command)).toBe(true);
  await deliver('withdraw', command);
  await deliver('withdraw', command, true);
  expect(await isThere(command)).toBe(false);
  expect(await bench.loggedEnd(command.id)).toBeUndefined();
  expect(await bench.stored.rows('SELECT active_response_id, next_position FROM conversations')).toEqual([
    { active_response_id: null, next_position: '0' },
  ]);
  expect(await bench.stored.rows('SELECT FROM webhook_deliveries')).toEqual([]);
});

test('what an Idempotency-Key leads to goes on', async () => {
  const command = createCommand([], { bodyHash: 'hash' });
  await deliver('create', command);
  await deliver('withdraw', command);
  expect((await bench.load(command.id)).record.status).toBe('in_progress');
});

test('committed by a process that died, and given up since then: it is not begun', async () => {
  const { replyTo, replies } = asker(GAVE_UP);
  const command = createCommand([], { replyTo });
  await createResponse(bench.stored.context, command);
  const before = await workOf();
  await deliver('create', command, true);
  expect(await isThere(command)).toBe(false);
  expect(await workOf()).toBe(before);
  await bench.bus.nc.flush();
  expect(replies).toMatchObject([{ accepted: false, error: { code: 'unavailable' } }]);
});

test.each([
  ['whose asker has its answer', GONE, { bodyHash: null }],
  ['that an Idempotency-Key leads to', GAVE_UP, { bodyHash: 'hash' }],
])('committed by a process that died, %s: it goes on', async (_what, standing, { bodyHash }) => {
  const { replyTo } = asker(standing);
  const command = createCommand([], { replyTo, bodyHash });
  await createResponse(bench.stored.context, command);
  const before = await workOf();
  await deliver('create', command, true);
  expect((await bench.load(command.id)).record.status).toBe('in_progress');
  expect(await workOf()).toBe(before + 1);
});

test('given up while it is being committed: it is not begun', async () => {
  const { replyTo, replies } = asker(WAITS, GAVE_UP);
  const command = createCommand([], { replyTo, askedAt: Date.now() - LONG_AGO });
  const before = await workOf();
  await deliver('create', command);
  expect(await isThere(command)).toBe(false);
  expect(await workOf()).toBe(before);
  await bench.bus.nc.flush();
  expect(replies).toMatchObject([{ accepted: false }]);
});

test('waited for until it is committed: it is begun, whatever the clocks say', async () => {
  const { replyTo, replies } = asker(WAITS);
  const command = createCommand([], { replyTo, askedAt: Date.now() - LONG_AGO });
  await deliver('create', command);
  await bench.bus.nc.flush();
  expect(replies).toMatchObject([{ accepted: true, existed: false }]);
});
