/** Ends that were committed and not told. */
import { errors } from '@nats-io/nats-core';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { tellEnds } from '../src/untold-ends.ts';
import { ChainBench } from './chain-bench.ts';

let bench: ChainBench;
beforeAll(async () => {
  bench = await ChainBench.start();
});
beforeEach(async () => {
  await bench.empty();
  await sql`DELETE FROM installation`.execute(bench.database);
});
afterAll(() => bench?.stop());

const MINUTE_MS = 60_000;

/** A response whose end only Postgres knows. */
async function untold(silentMs = 2 * MINUTE_MS): Promise<string> {
  const { record } = await bench.begin();
  await bench.answer(record.id, []);
  await bench.silence(record.id, silentMs);
  return record.id;
}

test('each gets its end, and is looked at once', async () => {
  const ids = [await untold(), await untold()];
  for (const id of ids) expect(await bench.loggedEnd(id)).toBeNull();
  expect(await tellEnds(bench.context(), MINUTE_MS, bench.signal)).toBe(2);
  for (const id of ids) expect(await bench.loggedEnd(id)).toBe('completed');
  expect(await tellEnds(bench.context(), MINUTE_MS, bench.signal)).toBe(0);
  const later = await untold();
  expect(await tellEnds(bench.context(), MINUTE_MS, bench.signal)).toBe(1);
  expect(await bench.loggedEnd(later)).toBe('completed');
});

test('one that has only just been committed is left to whoever has', async () => {
  const id = await untold(1_000);
  expect(await tellEnds(bench.context(), MINUTE_MS, bench.signal)).toBe(0);
  expect(await bench.loggedEnd(id)).toBeNull();
  expect(await tellEnds(bench.context(), 500, bench.signal)).toBe(1);
});

test('while NATS does not answer nothing is passed over; what can never be told is', async () => {
  const id = await untold();
  const failing = (error: Error) => {
    const direct = Object.assign(Object.create(bench.bus.jsm.direct), { getMessage: () => Promise.reject(error) });
    const jsm = Object.assign(Object.create(bench.bus.jsm), { direct });
    return bench.context({ bus: { ...bench.bus, jsm } });
  };
  expect(await tellEnds(failing(new errors.TimeoutError()), MINUTE_MS, bench.signal)).toBe(0);
  expect(await tellEnds(bench.context(), MINUTE_MS, bench.signal)).toBe(1);
  expect(await bench.loggedEnd(id)).toBe('completed');
  await untold();
  await tellEnds(failing(new TypeError('our own mistake')), MINUTE_MS, bench.signal);
  expect(await tellEnds(bench.context(), MINUTE_MS, bench.signal)).toBe(0);
});
