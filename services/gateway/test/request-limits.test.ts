import { LimitReached, type LimitRefusal } from '@tailrace/bus';
import { RegistryView, type UsageLimits } from '@tailrace/registry';
import { registeredKey, registrySnapshot, UNLIMITED } from '@tailrace/registry/fixtures';
import { describe, expect, test } from 'vitest';
import { RequestLimits } from '../src/request-limits.ts';

const view = new RegistryView(
  registrySnapshot({
    groups: [
      { name: 'staff', limits: { ...UNLIMITED, concurrency: 4 } },
      { name: 'guests', limits: UNLIMITED },
    ],
  }),
);
const registry = { current: () => view };

describe('what limits a key', () => {
  const own = (limits: Partial<UsageLimits>) => ({ limits: { ...UNLIMITED, ...limits } });
  const STAFF = { scope: 'group:staff', requestsPerMinute: null, tokensPerMinute: null, concurrency: 4 };

  test.each([
    ['nothing', {}, 0, []],
    ['what all keys have', {}, 60, [{ scope: 'key:alice', ...UNLIMITED, requestsPerMinute: 60 }]],
    [
      'its own before that',
      own({ requestsPerMinute: 5 }),
      60,
      [{ scope: 'key:alice', ...UNLIMITED, requestsPerMinute: 5 }],
    ],
    [
      'its own beside that',
      own({ tokensPerMinute: 9 }),
      60,
      [{ scope: 'key:alice', ...UNLIMITED, requestsPerMinute: 60, tokensPerMinute: 9 }],
    ],
    ['its groups, as far as they are limited', { groups: ['guests', 'staff', 'unknown', 'staff'] }, 0, [STAFF]],
    [
      'all of that',
      { groups: ['staff'], ...own({ concurrency: 1 }) },
      0,
      [{ scope: 'key:alice', ...UNLIMITED, concurrency: 1 }, STAFF],
    ],
  ])('%s', (_, change, requestsPerMinute, scopes) => {
    const limits = new RequestLimits({ registry, requestsPerMinute });
    expect(limits.of(registeredKey('alice', 'tr-alice', change))).toEqual(scopes);
  });

  test('its own alone, as long as nothing is known of groups', () => {
    const limits = new RequestLimits({ registry: { current: () => undefined }, requestsPerMinute: 0 });
    expect(limits.of(registeredKey('alice', 'tr-alice', { groups: ['staff'] }))).toEqual([]);
  });
});

describe('a refusal', () => {
  const REFUSAL: LimitRefusal = {
    rule: 'this key may make 2 requests a minute',
    waitMs: 1_500,
    rateLimit: {
      requests: { limit: 2, remaining: 0, resetMs: 31_500 },
      tokens: { limit: 10, remaining: 9, resetMs: 200 },
    },
  };
  const key = registeredKey('alice', 'tr-alice');

  async function refusedLimits(refusal: LimitRefusal) {
    const clock = { now: 1_000 };
    const limits = new RequestLimits({ registry, requestsPerMinute: 2, now: () => clock.now });
    const asking = limits.ask(key, () => Promise.reject(new LimitReached(refusal)));
    await expect(asking).rejects.toBeInstanceOf(LimitReached);
    return { limits, clock };
  }

  function refusalOf(limits: RequestLimits, of = key): LimitReached | undefined {
    try {
      limits.check(of);
      return undefined;
    } catch (error) {
      if (error instanceof LimitReached) return error;
      throw error;
    }
  }

  test('holds until its time has come, and tells what is left of it', async () => {
    const { limits, clock } = await refusedLimits(REFUSAL);
    clock.now += 700;
    const error = refusalOf(limits);
    expect(error).toMatchObject({
      retryAfter: 1,
      refusal: { waitMs: 800, rateLimit: { requests: { resetMs: 30_800 }, tokens: { resetMs: 0 } } },
    });
    expect(error?.message).toContain('Try again in 1 s.');
    clock.now += 799;
    expect(refusalOf(limits)).toBeDefined();
    clock.now += 1;
    expect(refusalOf(limits)).toBeUndefined();
  });

  test('for what is under way holds for that request alone', async () => {
    const { limits } = await refusedLimits({ ...REFUSAL, waitMs: null });
    expect(refusalOf(limits)).toBeUndefined();
  });

  test('is of this key, as the registry has it now', async () => {
    const { limits } = await refusedLimits(REFUSAL);
    expect(refusalOf(limits)).toBeDefined();
    expect(refusalOf(limits, registeredKey('bob', 'tr-bob'))).toBeUndefined();
    expect(refusalOf(limits, { ...key, limits: { ...UNLIMITED, requestsPerMinute: 100 } })).toBeUndefined();
  });

  test('is not what else may go wrong', async () => {
    const limits = new RequestLimits({ registry, requestsPerMinute: 2 });
    await expect(limits.ask(key, () => Promise.reject(new Error('no answer')))).rejects.toThrow('no answer');
    expect(refusalOf(limits)).toBeUndefined();
    await expect(limits.ask(key, async () => 'done')).resolves.toBe('done');
  });
});
