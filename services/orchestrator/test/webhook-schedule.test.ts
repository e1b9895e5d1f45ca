import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge } from '../src/webhook-schedule.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const policy = { firstMs: 5 * SECOND, maxMs: 6 * HOUR, forMs: 72 * HOUR };
const attempt = (attempts: number, ageMs: number, status: number | null = 500) => ({ ageMs, attempts, status });

describe('an attempt', () => {
  test.each([200, 201, 202, 204, 299])('that is answered %i has delivered, however late', (status) => {
    expect(judge(attempt(1, SECOND, status), policy, 0)).toEqual({ state: 'delivered' });
    expect(judge(attempt(30, 100 * HOUR, status), policy, 0)).toEqual({ state: 'delivered' });
  });

  test.each([null, 100, 199, 300, 301, 304, 400, 401, 404, 408, 409, 411, 429, 500, 502, 503])(
    'that is answered %j is made again',
    (status) => {
      expect(judge(attempt(1, SECOND, status), policy, 0)).toEqual({ state: 'pending', pauseMs: 5 * SECOND });
    },
  );

  test('that is answered 410 is the last', () => {
    expect(judge(attempt(1, SECOND, 410), policy, 0)).toEqual({ state: 'failed' });
  });

  test.each([
    [1, 0, 5 * SECOND],
    [1, 0.5, 5.625 * SECOND],
    [1, 1, 6.25 * SECOND],
    [2, 0, 10 * SECOND],
    [3, 0, 20 * SECOND],
    [10, 0, 2_560 * SECOND],
    [13, 0, 20_480 * SECOND],
    [14, 0, 6 * HOUR],
    [14, 1, 7.5 * HOUR],
    [2_000, 0, 6 * HOUR],
  ])('the %i-th, with %d of the jitter, is followed by a pause of %d ms', (attempts, random, pause) => {
    expect(judge(attempt(attempts, 10 * HOUR), policy, random)).toEqual({ state: 'pending', pauseMs: pause });
  });

  test('is made a last time as the time runs out', () => {
    expect(judge(attempt(20, 70 * HOUR), policy, 0)).toEqual({ state: 'pending', pauseMs: 2 * HOUR });
    expect(judge(attempt(21, 72 * HOUR - 1), policy, 1)).toEqual({ state: 'pending', pauseMs: 1 });
    expect(judge(attempt(22, 72 * HOUR), policy, 0)).toEqual({ state: 'failed' });
    expect(judge(attempt(1, 500 * HOUR, null), policy, 0)).toEqual({ state: 'failed' });
  });
});

test('an endpoint that never works is tried a few dozen times, in 72 hours to the millisecond, and then no more', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 }), (jitter) => {
      let ageMs = 0;
      let attempts = 1;
      for (;;) {
        const verdict = judge({ ageMs, attempts, status: null }, policy, jitter[attempts % jitter.length] ?? 0);
        if (verdict.state !== 'pending') {
          expect(verdict.state).toBe('failed');
          break;
        }
        expect(Number.isInteger(verdict.pauseMs)).toBe(true);
        expect(verdict.pauseMs).toBeGreaterThan(0);
        ageMs += verdict.pauseMs;
        attempts += 1;
      }
      expect(ageMs).toBe(policy.forMs);
      expect(attempts).toBeGreaterThan(15);
      expect(attempts).toBeLessThan(40);
    }),
  );
});
