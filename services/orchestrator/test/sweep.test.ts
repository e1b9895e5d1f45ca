/** Which silent responses a sweep takes up. */

import { AckPolicy } from '@nats-io/jetstream';
import { CHAIN_STREAM, encodeMessage, WORK_STREAM } from '@tailrace/bus';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Sweep } from '../src/sweep.ts';
import { ChainBench, calling } from './chain-bench.ts';
import { createCommand } from './limits/limited-database.ts';

let bench: ChainBench;
beforeAll(async () => {
  bench = await ChainBench.start();
  const { consumers } = bench.bus.jsm;
  await consumers.add(CHAIN_STREAM, {
    durable_name: 'chain-0',
    ack_policy: AckPolicy.Explicit,
    filter_subject: 'tr.chain.0.*',
  });
  for (const [name, filter] of [
    ['tool-served', 'tr.work.tool.*.served'],
    ['model-demo', 'tr.work.model.*.demo'],
  ]) {
    await consumers.add(WORK_STREAM, {
      durable_name: name ?? '',
      ack_policy: AckPolicy.Explicit,
      filter_subject: filter ?? '',
    });
  }
});
beforeEach(async () => {
  await bench.empty();
  await bench.bus.jsm.streams.purge(CHAIN_STREAM);
});
afterAll(() => bench?.stop());

const MINUTE_MS = 60_000;
const OPTIONS = { afterMs: MINUTE_MS, messages: 3 };
const TOOLS = ['served', 'unserved'].map((name) => ({ name, description: null, parameters: { type: 'object' } }));

/** A silent response that waits for a tool. */
async function waitingFor(tool: string, silentMs = 10 * MINUTE_MS): Promise<string> {
  const { request } = createCommand([]);
  const { record } = await bench.begin({ request: { ...request, server_tools: TOOLS } });
  await bench.answer(record.id, [calling(tool)]);
  await bench.silence(record.id, silentMs);
  return record.id;
}

const attemptsOf = async (id: string) => (await bench.load(id)).chain.map(({ attempt }) => attempt);
const newSweep = () => new Sweep(bench.context(), ['chain-0'], OPTIONS);

test('those that wait for a queue keep it from no lost one behind them', { timeout: 60_000 }, async () => {
  await waitingFor('unserved', 20 * MINUTE_MS);
  const [waiting] = await bench.stored.rows<{ id: string }>('SELECT id FROM responses');
  for (let n = 1; n < 120; n += 1) {
    const head = n.toString().padStart(8, '0');
    await sql`
      INSERT INTO responses SELECT (json_populate_record(r, json_build_object('id', overlay(r.id::text placing ${head} from 1 for 8)))).*
      FROM responses r WHERE id = ${waiting?.id}`.execute(bench.database);
    await sql`
      INSERT INTO response_steps SELECT (json_populate_record(s,
        json_build_object('response_id', overlay(s.response_id::text placing ${head} from 1 for 8)))).*
      FROM response_steps s WHERE response_id = ${waiting?.id}`.execute(bench.database);
  }
  const lost = await waitingFor('served', 10 * MINUTE_MS);
  expect(await newSweep().round(bench.signal)).toBe(1);
  expect(await attemptsOf(lost)).toEqual([1, 101]);
});

test('a sweep that has not come to the end is gone on with by the next one', async () => {
  const first = await waitingFor('served', 20 * MINUTE_MS);
  const sweep = newSweep();
  expect(await sweep.round(bench.signal)).toBe(1);
  expect(await sweep.round(bench.signal)).toBe(0);
  await bench.bus.jsm.streams.purge(WORK_STREAM);
  await bench.silence(first);
  expect(await sweep.round(bench.signal)).toBe(1);
});

test('what waits for the orchestrators counts: a silence ends where they have not heard all', async () => {
  const lost = await waitingFor('served');
  const longLost = await waitingFor('served');
  const sweep = newSweep();
  await bench.bus.js.publish('tr.chain.0.result', encodeMessage({ waiting: true }));
  // More waits than this process knows the age of.
  expect(await sweep.round(bench.signal)).toBe(0);
  const consumer = await bench.bus.js.consumers.get(CHAIN_STREAM, 'chain-0');
  const taken = await consumer.next();
  await bench.bus.js.publish('tr.chain.0.result', encodeMessage({ waiting: true }));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  // Of what has been said since the first round, a second ago, some waits.
  await bench.silence(lost, MINUTE_MS + 200);
  expect(await sweep.round(bench.signal)).toBe(1);
  expect(await attemptsOf(longLost)).toEqual([1, 101]);
  expect(await attemptsOf(lost)).toEqual([1, 1]);
  taken?.ack();
});

test('a queue that is never empty keeps a step no longer than what it was given before', async () => {
  const lost = await waitingFor('served');
  await bench.bus.jsm.streams.purge(WORK_STREAM);
  const sweep = newSweep();
  const subject = 'tr.work.tool.realtime.served';
  await bench.bus.js.publish(subject, encodeMessage({ waiting: true }));
  // Whether the step is in there is not known yet.
  expect(await sweep.round(bench.signal)).toBe(0);
  await bench.bus.js.publish(subject, encodeMessage({ waiting: true }));
  expect(await sweep.round(bench.signal)).toBe(0);
  const consumer = await bench.bus.js.consumers.get(WORK_STREAM, 'tool-served');
  const taken = await consumer.next();
  expect(await sweep.round(bench.signal)).toBe(1);
  expect(await attemptsOf(lost)).toEqual([1, 101]);
  taken?.ack();
});

test('a step that comes to nothing in any of its messages is given up', async () => {
  const { record } = await bench.begin();
  const sweep = newSweep();
  for (let round = 1; round < OPTIONS.messages; round += 1) {
    await bench.silence(record.id);
    expect(await sweep.round(bench.signal)).toBe(1);
    // Delivered, and lost with its worker.
    await bench.bus.jsm.streams.purge(WORK_STREAM);
  }
  expect(await attemptsOf(record.id)).toEqual([201]);
  await bench.silence(record.id);
  expect(await sweep.round(bench.signal)).toBe(1);
  const ended = await bench.load(record.id);
  expect(ended.record).toMatchObject({ status: 'failed', error: { code: 'attempts_exhausted' } });
  expect(await bench.loggedEnd(record.id)).toBe('failed');
  const letters = await bench.stored.rows('SELECT kind, source, attempts FROM dead_letters');
  expect(letters).toEqual([{ kind: 'model_call', source: 'demo', attempts: OPTIONS.messages }]);
});

test('a tool that comes to nothing likewise, and its model reads it', async () => {
  const id = await waitingFor('served');
  await sql`UPDATE response_steps SET attempt = 203 WHERE response_id = ${id} AND kind = 'tool_call'`.execute(
    bench.database,
  );
  expect(await newSweep().round(bench.signal)).toBe(1);
  const { record, chain } = await bench.load(id);
  expect(record.status).toBe('in_progress');
  expect(chain.map(({ outcome }) => outcome.state)).toEqual(['completed', 'failed', 'pending']);
  expect((await bench.bus.jsm.streams.info(WORK_STREAM)).state.messages).toBe(1);
});
