import { hexOf } from '@tailrace/protocol';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { takeDeliveries } from '../src/webhook-queue.ts';
import { WebhookSender } from '../src/webhook-sender.ts';
import { HOUR, LEASE, OPTIONS, TIMEOUT, WebhookBench } from './webhook-bench.ts';

let bench: WebhookBench;
beforeAll(async () => {
  bench = await WebhookBench.start();
});
afterAll(() => bench.close());
beforeEach(() => bench.clear());
afterEach(() => bench.stopSenders());

describe('senders', () => {
  test('share the work: none of them sends what another one is sending', async () => {
    await bench.register('works');
    const ids = await bench.queue('works', 60);
    const others = [bench.connect(), bench.connect()];
    for (const each of [bench.database, ...others]) {
      const sender = new WebhookSender(
        { database: each, sealer: bench.sealer, log: pino({ level: 'silent' }) },
        OPTIONS,
      );
      bench.senders.push(sender);
      sender.start();
    }
    await Promise.all(ids.map((id) => bench.ended(id)));
    await Promise.all(bench.senders.splice(0).map((sender) => sender.stop(TIMEOUT)));
    expect(bench.receiver.ids('/works').toSorted()).toEqual(ids.map((id) => `evt_${hexOf(id)}`).toSorted());
    await Promise.all(others.map((each) => each.destroy()));
  });

  test('that ask at the same moment are never given the same', async () => {
    const ids = await bench.queue('works', 40);
    const take = { webhook: 'works', limit: 10, leaseMs: LEASE };
    const taken = (await Promise.all(Array.from({ length: 6 }, () => takeDeliveries(bench.database, take)))).flat();
    const rest = await takeDeliveries(bench.database, { ...take, limit: 40 });
    expect([...taken, ...rest].map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  });

  test('send what a dead one has taken, when its lease has run out, under the same id', async () => {
    await bench.register('works');
    const [id = ''] = await bench.queue('works');
    const died = await takeDeliveries(bench.database, { webhook: 'works', limit: 4, leaseMs: LEASE });
    expect(died).toMatchObject([{ id, attempts: 1 }]);

    await bench.pass(LEASE - 5_000);
    const sender = bench.startSender();
    const [other] = await bench.queue('works');
    await bench.ended(other);
    expect(bench.receiver.ids('/works')).not.toContain(`evt_${hexOf(id)}`);

    await bench.pass(6_000);
    sender.wake();
    expect(await bench.ended(id)).toMatchObject({ state: 'delivered', attempts: 2 });
    expect(bench.receiver.ids('/works').filter((each) => each === `evt_${hexOf(id)}`)).toHaveLength(1);
  });

  test('lease for longer than an attempt takes', async () => {
    await bench.register('silent');
    const [id] = await bench.queue('silent');
    bench.startSender();
    await eventually('it is sent', async () => bench.receiver.ids('/silent').length > 0);
    const row = await bench.read(id);
    expect(row.attempts).toBe(1);
    expect(row.next_attempt_at.getTime() - row.created_at.getTime()).toBeGreaterThanOrEqual(LEASE);
  });

  test('are not held up by a slow endpoint, of which no more than the bound is asked at once', async () => {
    await bench.register('silent');
    await bench.register('works');
    await bench.queue('silent', 20);
    bench.startSender({ timeoutMs: 60_000 });
    await eventually('the slow one is busy', async () => bench.receiver.ids('/silent').length === 4);
    const ids = await bench.queue('works', 12);
    for (const row of await Promise.all(ids.map((id) => bench.ended(id)))) expect(row.state).toBe('delivered');
    expect(bench.receiver.ids('/silent')).toHaveLength(4);
  });

  test('go on at once while more is due', async () => {
    await bench.register('works');
    const ids = await bench.queue('works', 30);
    bench.startSender({ everyMs: 600_000 });
    for (const row of await Promise.all(ids.map((id) => bench.ended(id)))) expect(row.state).toBe('delivered');
  });

  test('that stop wait for what is under way', async () => {
    await bench.register('held');
    const [id] = await bench.queue('held');
    const sender = bench.startSender({ timeoutMs: 60_000 });
    await eventually('it is sent', async () => bench.receiver.ids('/held').length === 1);
    const stopped = sender.stop(60_000);
    bench.receiver.release(200);
    await stopped;
    expect(await bench.read(id)).toMatchObject({ state: 'delivered', attempts: 1 });
  });

  test('that stop let go of what takes too long: it comes back', async () => {
    await bench.register('silent');
    const [id] = await bench.queue('silent');
    const sender = bench.startSender({ timeoutMs: 60_000 });
    await eventually('it is sent', async () => bench.receiver.ids('/silent').length === 1);
    await sender.stop(100);
    const left = { state: 'pending', attempts: 1, last_status: null, last_error: null };
    expect(await bench.read(id)).toMatchObject(left);
  });

  test.each([
    [500, false, { state: 'pending', attempts: 2, last_error: null }],
    [200, true, { state: 'delivered', attempts: 2, last_status: 200 }],
  ])('that are answered %i when another one has taken over record it: %s', async (status, recorded, row) => {
    await bench.register('held');
    const [id] = await bench.queue('held');
    bench.startSender({ timeoutMs: 60_000 });
    await eventually('it is sent', async () => bench.receiver.ids('/held').length === 1);
    const take = { webhook: 'held', limit: 1, leaseMs: LEASE };
    await bench.pass(HOUR);
    expect(await takeDeliveries(bench.database, take)).toMatchObject([{ id, attempts: 2 }]);
    bench.receiver.release(status);
    expect(await bench.attempted(id)).toMatchObject(row);
    expect(bench.lines.some((line) => line.includes(`"recorded":${recorded}`))).toBe(true);
  });

  test('outlive a database that refuses them for a while', async () => {
    await bench.register('works');
    const [id] = await bench.queue('works');
    await sql`ALTER TABLE webhook_deliveries RENAME TO webhook_deliveries_away`.execute(bench.database);
    bench.startSender();
    await eventually('it is told', async () =>
      bench.lines.some((line) => line.includes('the look for due webhooks failed')),
    );
    await sql`ALTER TABLE webhook_deliveries_away RENAME TO webhook_deliveries`.execute(bench.database);
    expect(await bench.ended(id)).toMatchObject({ state: 'delivered' });
  });

  test.each([
    ['an hour behind', -HOUR],
    ['73 hours ahead', 73 * HOUR],
  ])('whose clock is %s take leases, try again and sign as all others do', async (_, offset) => {
    await bench.register('fails-once');
    await bench.register('silent');
    const [id] = await bench.queue('fails-once');
    const [held] = await bench.queue('silent');
    const real = Date.now();
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => real + offset);
    try {
      const sender = bench.startSender();
      expect(await bench.attempted(id)).toMatchObject({ state: 'pending', attempts: 1 });
      await eventually('the other one is sent', async () => bench.receiver.ids('/silent').length > 0);
      expect(await takeDeliveries(bench.database, { webhook: 'silent', limit: 4, leaseMs: LEASE })).toEqual([]);
      expect((await bench.read(held)).attempts).toBe(1);
      await bench.hurry(7_000);
      sender.wake();
      expect(await bench.ended(id)).toMatchObject({ state: 'delivered', attempts: 2 });
    } finally {
      clock.mockRestore();
    }
    const [first] = bench.receiver.received;
    expect(Math.abs(Number(first?.headers['webhook-timestamp']) * 1_000 - Date.now())).toBeLessThan(60_000);
  });
});
