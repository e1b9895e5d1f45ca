import { hexOf } from '@tailrace/protocol';
import { Sealer } from '@tailrace/registry';
import OpenAI from 'openai';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { HOUR, SECRET, WebhookBench } from './webhook-bench.ts';

let bench: WebhookBench;
beforeAll(async () => {
  bench = await WebhookBench.start();
});
afterAll(() => bench.close());
beforeEach(() => bench.clear());
afterEach(() => bench.stopSenders());

describe('a delivery', () => {
  test('is signed, and says which response ended', async () => {
    await bench.register('works');
    const [id = ''] = await bench.queue('works');
    bench.startSender();
    const row = await bench.ended(id);
    expect(row).toMatchObject({ state: 'delivered', attempts: 1, last_status: 204, last_error: null });

    expect(bench.receiver.received).toHaveLength(1);
    const [request] = bench.receiver.received;
    const event = {
      id: `evt_${hexOf(id)}`,
      object: 'event',
      type: 'response.completed',
      created_at: Math.floor(row.created_at.getTime() / 1_000),
      data: { id: `resp_${hexOf(row.response_id)}` },
    };
    const { body = '', headers = {} } = request ?? {};
    expect(request).toMatchObject({
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'tailrace-webhooks',
        'webhook-id': `evt_${hexOf(id)}`,
      },
    });
    expect(new Webhook(SECRET).verify(body, headers)).toEqual(event);
    const client = new OpenAI({ apiKey: 'none', webhookSecret: SECRET });
    expect(await client.webhooks.unwrap(body, headers)).toEqual(event);
    await expect(client.webhooks.unwrap(`${body} `, headers)).rejects.toThrow(OpenAI.InvalidWebhookSignatureError);
  });

  test('that failed is made again, later, with the same id and body and a new signature', async () => {
    await bench.register('fails-once');
    const [id] = await bench.queue('fails-once');
    const sender = bench.startSender();
    const first = await bench.attempted(id);
    expect(first).toMatchObject({
      state: 'pending',
      last_status: 500,
      last_error: 'the endpoint answered 500',
      ended_at: null,
    });
    const pause = first.next_attempt_at.getTime() - Date.now();
    expect(pause).toBeGreaterThan(0);
    expect(pause).toBeLessThanOrEqual(6_250);

    const signedAt = Number(bench.receiver.received[0]?.headers['webhook-timestamp']);
    await eventually('another second has begun', async () => Date.now() >= (signedAt + 1) * 1_000);
    await bench.hurry(7_000);
    sender.wake();
    expect(await bench.ended(id)).toMatchObject({
      state: 'delivered',
      attempts: 2,
      last_status: 200,
      last_error: null,
    });
    const [before, after] = bench.receiver.received;
    expect(after?.headers['webhook-id']).toBe(before?.headers['webhook-id']);
    expect(after?.body).toBe(before?.body);
    expect(after?.headers['webhook-signature']).not.toBe(before?.headers['webhook-signature']);
    for (const { body, headers } of bench.receiver.received)
      expect(() => new Webhook(SECRET).verify(body, headers)).not.toThrow();
  });

  test('is given up when its time has run out, after a last attempt', async () => {
    await bench.register('fails');
    const [id] = await bench.queue('fails');
    const sender = bench.startSender({ policy: { firstMs: 5_000, maxMs: 6 * HOUR, forMs: 72 * HOUR } });
    await bench.attempted(id);
    await bench.pass(72 * HOUR - 60_000);
    sender.wake();
    const second = await bench.attempted(id, 2);
    expect(second.state).toBe('pending');
    expect(second.next_attempt_at.getTime()).toBeLessThanOrEqual(second.created_at.getTime() + 72 * HOUR + 1_000);
    await bench.pass(60_000);
    sender.wake();
    const last = await bench.ended(id);
    expect(last).toMatchObject({
      state: 'failed',
      attempts: 3,
      last_status: 503,
      last_error: 'the endpoint answered 503',
    });
    expect(last.ended_at).not.toBeNull();
  });

  test('that nobody wants any more is given up at once', async () => {
    await bench.register('gone');
    const [id] = await bench.queue('gone');
    bench.startSender();
    expect(await bench.ended(id)).toMatchObject({ state: 'failed', attempts: 1, last_status: 410 });
  });

  test('to a webhook that is not registered any more is given up, and sent nowhere', async () => {
    const [id] = await bench.queue('works');
    bench.startSender();
    expect(await bench.ended(id)).toMatchObject({
      state: 'failed',
      attempts: 0,
      last_error: 'the webhook is not registered any more',
    });
    expect(bench.receiver.received).toEqual([]);
  });

  test.each([
    ['/moved', { last_status: 302, last_error: 'the endpoint answered 302; redirects are not followed' }],
    ['/breaks', { last_status: null, last_error: 'the endpoint could not be reached: UND_ERR_SOCKET' }],
    ['/silent', { last_status: null, last_error: 'no answer within 300 ms' }],
    ['http://127.0.0.1:1/', { last_status: null, last_error: 'the endpoint could not be reached: ECONNREFUSED' }],
  ])('to %s fails, and is made again later', async (path, failure) => {
    await bench.register('it', path);
    const [id] = await bench.queue('it');
    bench.startSender({ timeoutMs: 300 });
    expect(await bench.attempted(id)).toMatchObject({ state: 'pending', attempts: 1, ...failure });
    expect(bench.receiver.ids('/works')).toEqual([]);
  });

  test.each(['/drips', '/talks'])('is done when it is answered, whatever else %s has to say', async (path) => {
    await bench.register('it', path);
    const [id] = await bench.queue('it');
    bench.startSender({ timeoutMs: 500 });
    expect(await bench.ended(id)).toMatchObject({ state: 'delivered', last_status: 200 });
  });

  test.each([
    ['another installation has sealed', () => new Sealer('another key altogether').seal(SECRET)],
    ['is not base64', () => bench.sealer.seal('whsec_it is not base64')],
  ])('whose secret %s waits until it can be signed', async (_what, sealed) => {
    await bench.register('works', '/works', sealed());
    const [id] = await bench.queue('works');
    const sender = bench.startSender();
    expect(await bench.attempted(id)).toMatchObject({
      state: 'pending',
      last_error: 'the secret of the webhook cannot be used by this server',
    });
    expect(bench.receiver.received).toEqual([]);
    await bench.database
      .updateTable('registry_webhooks')
      .set({ secret_sealed: bench.sealer.seal(SECRET) })
      .execute();
    await bench.pass(10_000);
    sender.wake();
    expect(await bench.ended(id)).toMatchObject({ state: 'delivered', attempts: 2 });
  });
});

test('the log has neither secrets nor addresses in it', async () => {
  await bench.register('works');
  await bench.register('fails');
  await bench.register('moved', '/moved?token=hidden');
  await bench.register('sealed', '/works', bench.sealer.seal('whsec_it is not base64'));
  const ids = (await Promise.all(['works', 'fails', 'moved', 'sealed'].map((name) => bench.queue(name)))).flat();
  bench.startSender();
  await Promise.all(ids.map((id) => bench.attempted(id)));
  await eventually(
    'all of it is logged',
    async () => bench.lines.filter((line) => line.includes('attempted')).length >= 4,
  );
  for (const hidden of [SECRET.slice(6), 'it is not base64', 'token=hidden', bench.receiver.url])
    expect(bench.lines.join()).not.toContain(hidden);
});
