/** Notes on their way through JetStream into the database. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, CALLS_STREAM, callSubject, connectBus, encodeMessage, ensureStreams } from '@tailrace/bus';
import { startNats } from '@tailrace/infra';
import { newId } from '@tailrace/protocol';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { UnreportedCalls } from '../src/unreported-calls.ts';
import { CallBench, noteOf } from './call-bench.ts';

let dir: string;
let nats: Awaited<ReturnType<typeof startNats>>;
let bus: Bus;
let bench: CallBench;
const gatherers: UnreportedCalls[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  nats = await startNats({ dir, log: () => undefined });
  bus = await connectBus({ url: nats.url, name: 'test' });
  await ensureStreams(bus, { partitions: 1, logMaxAgeMs: 60_000, duplicateWindowMs: 60_000 });
  bench = await CallBench.start(inject('postgresUrl'));
});
afterEach(async () => {
  await Promise.all(gatherers.splice(0).map((gatherer) => gatherer.stop(1_000)));
});
afterAll(async () => {
  await bench?.close();
  await bus?.close();
  await nats?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function gather(settleMs: number): Promise<UnreportedCalls> {
  const context = { bus, database: bench.database, log: pino({ level: 'silent' }) };
  const options = { settleMs, lostAfterMs: 60_000, ackWaitMs: 2_000, lookAgainMs: 200 };
  const gatherer = new UnreportedCalls(context, options);
  gatherers.push(gatherer);
  await gatherer.start();
  return gatherer;
}

const waiting = async () => (await bus.jsm.streams.info(CALLS_STREAM)).state.messages;
const leave = (note: ReturnType<typeof noteOf>) =>
  bus.publisher.publish(callSubject(note.target.kind), encodeMessage(note));

test('a note stays until its step has ended; then its call is booked, and it goes', async () => {
  const response = await bench.response();
  await leave(noteOf(response, 'model'));
  await gather(50);
  await eventually('the note has been looked at twice', async () => {
    const info = await bus.jsm.consumers.info(CALLS_STREAM, 'calls');
    return info.delivered.consumer_seq >= 2;
  });
  expect(await bench.models(response.id)).toEqual([]);
  await bench.end(response, response.modelStep);
  await eventually('the note is gone', async () => (await waiting()) === 0);
  expect(await bench.models(response.id)).toMatchObject([{ error_code: 'interrupted' }]);
});

test('many notes, two who gather them, and one that stops: every call is booked once', async () => {
  const response = await bench.response();
  await bench.end(response, response.toolStep);
  const notes = Array.from({ length: 600 }, () => noteOf(response, 'tool'));
  await Promise.all(notes.map(leave));
  const [first] = await Promise.all([gather(50), gather(50)]);
  await eventually('some are booked', async () => (await bench.tools(response.id)).length > 0);
  await first?.stop(1_000);
  await eventually('the notes are gone', async () => (await waiting()) === 0);
  const booked = await bench.tools(response.id);
  expect(booked.map(({ id }) => id).sort()).toEqual(notes.map(({ id }) => id).sort());
});

test('a note that can never be booked holds up no other one', async () => {
  const response = await bench.response();
  await bench.end(response, response.modelStep);
  const good = noteOf(response, 'model');
  await bus.publisher.publish(callSubject('model'), Buffer.from('{'));
  await Promise.all([leave(noteOf(response, 'model', { attempt: 2 ** 40 })), leave(good)]);
  await gather(50);
  await eventually('the notes are gone', async () => (await waiting()) === 0);
  expect(await bench.models(response.id)).toMatchObject([{ id: good.id }]);
});

test('notes that wait for their time do not keep a process from stopping', async () => {
  const response = await bench.response();
  await leave(noteOf(response, 'model', { id: newId(Date.now()) }));
  const gatherer = await gather(60_000);
  await eventually('the note is held', async () => {
    return (await bus.jsm.consumers.info(CALLS_STREAM, 'calls')).num_ack_pending > 0;
  });
  const before = performance.now();
  await gatherer.stop(10_000);
  expect(performance.now() - before).toBeLessThan(5_000);
});
