/** A response that has ended, and whose log does not say so: no reader waits for what never comes. */
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHAIN_STREAM, connectBus } from '@tailrace/bus';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { expectWhole } from '../harness/invariants.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const armory = mkdtempSync(join(tmpdir(), 'tailrace-crash-'));
let stack: TestStack;

beforeAll(async () => {
  // Nobody but the gateways looks.
  const seldom = { SWEEP_EVERY_MS: '600000', LOST_LOG_CHECK_MS: '600000' };
  stack = await testStack({ env: { ...seldom, CRASH_DIR: armory, KEEP_ALIVE_MS: '500' } });
});
afterAll(async () => {
  await stack.stop();
  await rm(armory, { recursive: true, force: true });
});

const create = (fields: Record<string, unknown>) => {
  const body = JSON.stringify({ model: 'demo', input: script('!text 20').text, ...fields });
  return stack.fetch('/v1/responses', { method: 'POST', body });
};

/** The only orchestrator dies when it has committed the end of the next response. */
const dieBeforeTelling = () => writeFile(join(armory, 'after-result-commit'), '');

/** Another one is there, and the message that would make it tell is not. */
async function forgetAndStart(): Promise<void> {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  await bus.jsm.streams.purge(CHAIN_STREAM);
  await bus.close();
  await stack.start('orchestrator', 0);
}

const attach = async (id: string, after = -1) => {
  const query = after < 0 ? '' : `&starting_after=${after}`;
  return readFrames(await stack.fetch(`/v1/responses/${id}?stream=true${query}`));
};

test('a stream gets its end from the chain, and the log the same one', async () => {
  await dieBeforeTelling();
  const { id } = (await (await create({ background: true })).json()) as { id: string };
  await eventually('it has ended', async () => {
    const query = 'SELECT 1 FROM responses WHERE id = $1 AND ended_at IS NOT NULL';
    return (await stack.database.query(query, [uuidOf(id)])).rowCount === 1;
  });
  const stream = await attach(id);
  expect((await expectWhole(stack, stream)).status).toBe('completed');
  const last = stream.frames.length - 1;
  expect((await attach(id, last - 1)).frames).toEqual(stream.frames.slice(last));
  expect((await stack.logEnd(id))?.meta.ended).toBe(null);
  await forgetAndStart();
  expect(await attach(id)).toEqual(stream);
  await eventually('the log has its end', async () => (await stack.logEnd(id))?.meta.ended === 'completed');
  expect((await stack.logEnd(id))?.meta.last).toBe(last);
  expect(await attach(id)).toEqual(stream);
});

test('who waits for the whole response gets it', async () => {
  await dieBeforeTelling();
  const answer = await create({});
  expect(answer.status).toBe(200);
  const response = (await answer.json()) as { id: string; status: string };
  expect(response.status).toBe('completed');
  expect(await (await stack.fetch(`/v1/responses/${response.id}`)).json()).toEqual(response);
});
