/** Responses that are overdue, of which some cannot be ended. */
import { logStream, logSubject } from '@tailrace/bus';
import { append, encodeFrames } from '@tailrace/log';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { endOverdue } from '../src/deadline.ts';
import { tidy } from '../src/janitor.ts';
import { bringLogUpToDate } from '../src/projector.ts';
import { ChainBench } from './chain-bench.ts';

const DAY_MS = 86_400_000;
let bench: ChainBench;
beforeAll(async () => {
  bench = await ChainBench.start();
});
beforeEach(() => bench.empty());
afterAll(() => bench?.stop());

/** What its model has said is gone, so nobody can close its log. */
async function breakLog(id: string): Promise<void> {
  const stored = await bench.load(id);
  const at = await bringLogUpToDate(bench.context(), stored, undefined, bench.signal);
  const target = { bus: bench.bus, partition: 0, id };
  const step = { id: stored.chain[0]?.id ?? '', attempt: 1 };
  const { nextEvent: first } = at;
  const meta = { first, last: first, cursor: 1, writer: 'w', step, seal: null, ended: null };
  const delta = 'x'.repeat(100_000);
  const event = {
    type: 'response.output_text.delta' as const,
    item_id: 'm',
    output_index: 0,
    content_index: 0,
    delta,
    logprobs: [],
  };
  await append(target, at.streamSeq, meta, Buffer.from(encodeFrames([event], first)), bench.signal);
  const message = await bench.bus.jsm.direct.getMessage(logStream(0), { last_by_subj: logSubject(0, id) });
  await bench.bus.blobs.remove({ blob: message?.header.get('Tr-Blob') ?? '' });
}

async function overdue(): Promise<string> {
  const { record } = await bench.begin();
  await sql`UPDATE responses SET accepted_at = now() - interval '25 hours' WHERE id = ${record.id}`.execute(
    bench.database,
  );
  return record.id;
}

test('one that cannot be ended keeps no other one from its end', async () => {
  const ids = [await overdue(), await overdue(), await overdue()];
  await breakLog(ids[0] ?? '');
  const round = await endOverdue(bench.context(), DAY_MS, bench.signal);
  expect(round).toMatchObject({ done: 2, failures: [{ name: 'BlobExpired' }] });
  const live = await bench.stored.rows<{ id: string }>('SELECT id FROM responses WHERE ended_at IS NULL');
  expect(live.map(({ id }) => id)).toEqual(ids.slice(0, 1));
});

test('nor does a page of them', { timeout: 60_000 }, async () => {
  const cannot = new Error('its log cannot be read');
  const bad = new Set<string>();
  for (let n = 0; n < 101; n += 1) bad.add(await overdue());
  const good = await overdue();
  const direct = Object.assign(Object.create(bench.bus.jsm.direct), {
    async getMessage(stream: string, query: { last_by_subj: string }) {
      if (bad.has(query.last_by_subj.split('.').at(-1) ?? '')) throw cannot;
      return bench.bus.jsm.direct.getMessage(stream, query);
    },
  });
  const jsm = Object.assign(Object.create(bench.bus.jsm), { direct });
  const round = await endOverdue(bench.context({ bus: { ...bench.bus, jsm } }), DAY_MS, bench.signal);
  expect([round.done, round.failures.length]).toEqual([1, bad.size]);
  expect((await bench.load(good)).record.status).toBe('failed');
});

test('a response that cannot be removed keeps the janitor from no other one', async () => {
  const ids = [(await bench.begin()).record.id, (await bench.begin()).record.id];
  await sql`
    UPDATE responses SET status = 'cancelled', ended_at = now(), purge_at = now() - interval '1 hour'`.execute(
    bench.database,
  );
  const stuck = new Error('its log cannot be purged');
  const { purge } = bench.bus.jsm.streams;
  const streams = Object.assign(Object.create(bench.bus.jsm.streams), {
    async purge(stream: string, options: { filter: string }) {
      if (options.filter.endsWith(ids[0] ?? '')) throw stuck;
      return purge.call(bench.bus.jsm.streams, stream, options);
    },
  });
  const jsm = Object.assign(Object.create(bench.bus.jsm), { streams });
  const round = await tidy(bench.context({ bus: { ...bench.bus, jsm } }), bench.signal);
  expect(round).toEqual({ done: 1, failures: [stuck] });
});
