/** Turns that go on from others, some of which are removed: no model is told half of a conversation. */
import { type Bus, logSubject } from '@tailrace/bus';
import { type AcceptedRequest, hasEnded, prompt } from '@tailrace/chain';
import { loadHistory } from '@tailrace/database';
import type { ResponseId } from '@tailrace/protocol';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { server } from '../../../packages/chain/test/story.ts';
import { cancelResponse } from '../src/cancel-response.ts';
import { handleCreate, handleDelete } from '../src/commands.ts';
import { createResponse } from '../src/create-response.ts';
import { tidy } from '../src/janitor.ts';
import { removeResponse } from '../src/remove-response.ts';
import { secondThoughts } from '../src/withdraw-response.ts';
import { ChainBench, calling } from './chain-bench.ts';
import { createCommand } from './limits/limited-database.ts';

let bench: ChainBench;
beforeAll(async () => {
  bench = await ChainBench.start();
});
afterAll(() => bench?.stop());
beforeEach(() => bench.empty());

const requestOf = (input: AcceptedRequest['body']['input']): AcceptedRequest => ({
  body: {
    model: 'demo',
    input,
    tools: [{ type: 'function', name: 'ask_user', description: null, parameters: { type: 'object' }, strict: null }],
  },
  server_tools: [],
  max_iterations: 10,
});
const NOT_FOUND = { code: 'previous_response_not_found', param: 'previous_response_id' };

/** A first turn whose model calls the client's function, and a second one that answers the call. */
async function twoTurns(): Promise<{ first: ResponseId; second: ResponseId }> {
  const first = await bench.begin({ request: requestOf([{ type: 'message', role: 'user', content: 'Ask.' }]) });
  await bench.answer(first.record.id, [calling('ask_user')]);
  const second = await bench.begin({
    previousResponseId: first.record.id,
    request: requestOf([{ type: 'function_call_output', call_id: 'call_1', output: '42' }]),
  });
  await bench.answer(second.record.id, [said]);
  return { first: first.record.id, second: second.record.id };
}

const said = (step: string) => ({
  item: {
    type: 'message' as const,
    id: `msg_${step.replaceAll('-', '')}0000`,
    status: 'completed' as const,
    role: 'assistant' as const,
    content: [{ type: 'output_text' as const, text: 'Fine.', annotations: [], logprobs: [] }],
  },
});

/** What the model of a response is told. */
async function told(id: ResponseId): Promise<string[]> {
  const { record, chain } = await bench.load(id);
  const history = await loadHistory(bench.database, record);
  return prompt(record.request, chain, null, history, String).items.map(({ type }) => type);
}

const idsOf = async () =>
  (await bench.stored.rows<{ id: string }>('SELECT id FROM responses ORDER BY id')).map((row) => row.id);
const due = (id: ResponseId) =>
  bench.stored.rows(`UPDATE responses SET purge_at = now() - interval '1 second' WHERE id = '${id}'`);
const deleting = (id: ResponseId) => ({
  subject: 'tr.chain.0.delete',
  bytes: Buffer.from(JSON.stringify({ ...createCommand([]), id })),
  redelivered: false,
});

test('a turn is refused when one of those before it is gone, however far back', async () => {
  const { first, second } = await twoTurns();
  await removeResponse(bench.context(), first);
  expect(await idsOf()).toEqual([second]);
  await expect(bench.begin({ previousResponseId: second })).rejects.toMatchObject(NOT_FOUND);
  expect(await idsOf()).toEqual([second]);
});

test('a turn that carries what was said before it needs nothing of that', async () => {
  const { first, second } = await twoTurns();
  const context = [{ type: 'message' as const, role: 'user' as const, content: 'Before.' }];
  const third = await bench.begin({
    previousResponseId: second,
    detached: true,
    request: { ...requestOf([{ type: 'message', role: 'user', content: 'And?' }]), context },
  });
  await bench.answer(third.record.id, [said]);
  await removeResponse(bench.context(), first);
  await removeResponse(bench.context(), second);
  const fourth = await bench.begin({ previousResponseId: third.record.id });
  expect(await told(fourth.record.id)).toEqual(['message', 'message', 'message', 'message']);
});

test.each([
  ['deleted', (id: ResponseId) => handleDelete(bench.context(), deleting(id), bench.signal)],
  ['purged', async (id: ResponseId) => due(id).then(() => tidy(bench.context(), bench.signal))],
])('a turn that is %s stays for a live one that needs it, for nobody else, and not longer', async (_how, remove) => {
  const { first, second } = await twoTurns();
  const third = (await bench.begin({ previousResponseId: second })).record.id;
  const before = await told(third);
  expect(before).toEqual(['message', 'function_call', 'function_call_output', 'message', 'message']);
  await remove(first);
  expect(await told(third)).toEqual(before);
  expect((await bench.load(first)).record.owner).toBe('');
  expect(await bench.loggedEnd(first)).toBeUndefined();
  await expect(bench.begin({ previousResponseId: first })).rejects.toMatchObject(NOT_FOUND);
  await expect(bench.begin({ previousResponseId: second })).rejects.toMatchObject(NOT_FOUND);
  await due(first);
  await tidy(bench.context(), bench.signal);
  expect(await told(third)).toEqual(before);

  await cancelResponse(bench.context(), third, bench.signal);
  await due(first);
  await tidy(bench.context(), bench.signal);
  expect(await idsOf()).toEqual([second, third]);
});

test('a turn that is begun while one of those before it is removed is not made after all', async () => {
  const { first, second } = await twoTurns();
  const command = createCommand([], { previousResponseId: second });
  const { bus, database } = bench.context();
  const fresh = { redelivered: false, waited: true };
  expect(await secondThoughts({ bus, database }, command, { fresh: true }, fresh)).toBeNull();
  await removeResponse(bench.context(), first);
  // As if the first look had been before that.
  expect(await secondThoughts({ bus, database }, command, { fresh: true }, fresh)).toMatchObject(NOT_FOUND);
  const again = { redelivered: true, waited: false };
  expect(await secondThoughts({ bus, database }, command, { fresh: false }, again)).toMatchObject(NOT_FOUND);
});

test('a turn that runs is not given up for what was deleted since then', async () => {
  const { first, second } = await twoTurns();
  const command = createCommand([], { previousResponseId: second });
  await createResponse(bench.stored.context, command);
  await removeResponse(bench.context(), first);
  const message = { subject: 'create', bytes: Buffer.from(JSON.stringify(command)), redelivered: true };
  await handleCreate(bench.context(), message, bench.signal);
  expect(hasEnded((await bench.load(command.id)).record)).toBe(false);
});

test('the same Idempotency-Key is the same response, whatever has become of the turn before it', async () => {
  const { second } = await twoTurns();
  const command = createCommand([], { previousResponseId: second, bodyHash: 'hash' });
  expect(await createResponse(bench.stored.context, command)).toMatchObject({ fresh: true });
  await bench.answer(command.id, [said]);
  await removeResponse(bench.context(), second);
  expect(await createResponse(bench.stored.context, command)).toMatchObject({ fresh: false });
  await expect(createResponse(bench.stored.context, { ...command, bodyHash: 'other' })).rejects.toMatchObject({
    code: 'idempotency_key_reused',
  });
});

test('what is projected while a response is being removed goes with it', async () => {
  const { record } = await bench.begin();
  await bench.answer(record.id, [said]);
  const subject = logSubject(0, record.id);
  const { jsm } = bench.bus;
  let purges = 0;
  const streams = {
    ...jsm.streams,
    async purge(...args: Parameters<typeof jsm.streams.purge>) {
      const purged = await jsm.streams.purge(...args);
      purges += 1;
      // A result that is delivered again finds the rows, and an empty log.
      if (purges === 1) await bench.bus.js.publish(subject, 'everything that was said');
      return purged;
    },
  };
  const bus = { ...bench.bus, jsm: { ...jsm, direct: jsm.direct, streams } } as unknown as Bus;
  await removeResponse(bench.context({ bus }), record.id);
  expect(purges).toBe(2);
  const { state } = await jsm.streams.info('TR_LOG_0', { subjects_filter: subject });
  expect(state.subjects ?? {}).toEqual({});
});

test('a step that fails as it is added keeps its error as it is', async () => {
  const docs = server('docs', { allowed_tools: ['read'], require_approval: 'always' });
  const question = {
    type: 'mcp_approval_request' as const,
    id: 'mcpr_1',
    server_label: 'docs',
    name: 'drop',
    arguments: '{}',
  };
  const word = { type: 'mcp_approval_response' as const, approval_request_id: 'mcpr_1', approve: true, reason: null };
  const { request } = createCommand([]);
  const body = { ...request.body, input: [question, word] };
  const { record } = await bench.begin({ request: { ...request, body, mcp_servers: [docs] } });
  const steps = await bench.stored.rows(`
    SELECT json_typeof(error) AS error, error ->> 'code' AS code FROM response_steps
    WHERE response_id = '${record.id}' AND state = 'failed'`);
  expect(steps).toEqual([{ error: 'object', code: expect.any(String) }]);
});
