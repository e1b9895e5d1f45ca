import type { ApiError } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { costOf } from '../src/routing/price.ts';
import { toUsage } from '../src/usage.ts';
import { candidate, testRouter } from './upstreams.ts';

const never = new AbortController().signal;
const failed = { outcome: 'failed', retryAfterMs: null } as const;

describe('a router', () => {
  test('gives a call to nobody who has as many as it takes; the next one waits its turn', async () => {
    const router = testRouter();
    const one = candidate('one', { concurrency: 1 });
    const first = await router.take([one], never);
    const order: string[] = [];
    const second = router.take([one], never).then((lease) => {
      order.push('second');
      return lease;
    });
    order.push('first ends');
    first.end({ outcome: 'well' });
    (await second).end({ outcome: 'well' });
    expect(order).toEqual(['first ends', 'second']);
  });

  test('says so when nobody has room in time', async () => {
    const router = testRouter({ queueMs: 20 });
    const one = candidate('one', { concurrency: 1 });
    await router.take([one], never);
    await expect(router.take([one], never)).rejects.toMatchObject({
      code: 'upstream_busy',
    } satisfies Partial<ApiError>);
  });

  test('lets a call that waits be left', async () => {
    const router = testRouter();
    const one = candidate('one', { concurrency: 1 });
    await router.take([one], never);
    const leaving = new AbortController();
    const waiting = router.take([one], leaving.signal);
    leaving.abort(new Error('left'));
    await expect(waiting).rejects.toThrow('left');
  });

  test('remembers who failed, in every model, until it answers', async () => {
    let now = 0;
    const router = testRouter({ now: () => now, random: () => 0 });
    const [bad, good] = [candidate('bad'), candidate('good', { priority: 1 })];
    for (let call = 0; call < 3; call += 1) (await router.take([bad, good], never)).end(failed);
    expect((await router.take([bad, good], never)).candidate.id).toBe('good');
    now = 50;
    const probe = await router.take([{ ...bad }, good], never);
    expect(probe.candidate.id).toBe('bad');
    expect((await router.take([bad, good], never)).candidate.id).toBe('good');
    probe.end({ outcome: 'well' });
    expect((await router.take([bad, good], never)).candidate.id).toBe('bad');
  });

  test('counts an end once', async () => {
    const router = testRouter();
    const one = candidate('one', { concurrency: 2 });
    const first = await router.take([one], never);
    first.end({ outcome: 'unknown' });
    first.end(failed);
    await router.take([one], never);
    await router.take([one], never);
    const third = router.take([one], AbortSignal.timeout(20));
    await expect(third).rejects.toThrow();
  });
});

describe('the cost of a call', () => {
  const price = { input: 2, cachedInput: 0.5, output: 8 };

  test('is by the million tokens; what was cached has a price of its own', () => {
    expect(costOf(price, toUsage({ input: 1_000_000, cached: 400_000, output: 250_000 }))).toBeCloseTo(
      1.2 + 0.2 + 2,
      10,
    );
  });

  test('is not known without a price, or without tokens', () => {
    expect(costOf(null, toUsage({ input: 1 }))).toBeNull();
    expect(costOf(price, null)).toBeNull();
    expect(costOf(price, toUsage({}))).toBe(0);
  });
});
