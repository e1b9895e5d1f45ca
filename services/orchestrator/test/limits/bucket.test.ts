import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bucket, charged, drained, stateOf, waitFor } from '../../src/limits/bucket.ts';

const EMPTY: Bucket = { used: 0, at: 0 };
const SECOND = 1_000;

describe('stateOf', () => {
  test.each<[string, Bucket, number, number, { remaining: number; resetMs: number }]>([
    ['nothing used', EMPTY, 60, 0, { remaining: 60, resetMs: 0 }],
    ['one of sixty', { used: 1, at: 0 }, 60, 0, { remaining: 59, resetMs: 1_000 }],
    ['a second later', { used: 1, at: 0 }, 60, SECOND, { remaining: 60, resetMs: 0 }],
    ['half a second later', { used: 1, at: 0 }, 60, 500, { remaining: 59, resetMs: 500 }],
    ['all used', { used: 60, at: 0 }, 60, 0, { remaining: 0, resetMs: 60_000 }],
    ['more used than there is', { used: 150, at: 0 }, 60, 0, { remaining: 0, resetMs: 150_000 }],
    ['more used, a minute later', { used: 150, at: 0 }, 60, 60_000, { remaining: 0, resetMs: 90_000 }],
    ['long ago', { used: 60, at: 0 }, 60, 10 * 60_000, { remaining: 60, resetMs: 0 }],
    ['a limit that was raised', { used: 60, at: 0 }, 600, 0, { remaining: 540, resetMs: 6_000 }],
    ['a limit that was lowered', { used: 60, at: 0 }, 6, 0, { remaining: 0, resetMs: 600_000 }],
    ['a clock that was set back', { used: 30, at: 9_000 }, 60, 0, { remaining: 30, resetMs: 30_000 }],
  ])('%s', (_, bucket, perMinute, now, { remaining, resetMs }) => {
    const state = stateOf(bucket, perMinute, now);
    expect(state).toMatchObject({ limit: perMinute, remaining });
    expect(state.resetMs).toBeCloseTo(resetMs, 6);
  });
});

describe('waitFor', () => {
  test.each<[string, Bucket, number, number, number]>([
    ['there is room', { used: 59, at: 0 }, 60, 0, 0],
    ['none is left', { used: 60, at: 0 }, 60, 0, 1_000],
    ['half of one is left', { used: 59.5, at: 0 }, 60, 0, 500],
    ['the time has come', { used: 60, at: 0 }, 60, 1_000, 0],
    ['far too much was used', { used: 180, at: 0 }, 60, 0, 121_000],
    ['one a minute', { used: 1, at: 0 }, 1, 0, 60_000],
  ])('%s', (_, bucket, perMinute, now, ms) => {
    expect(waitFor(bucket, perMinute, 1, now)).toBeCloseTo(ms, 6);
  });
});

const perMinute = fc.integer({ min: 1, max: 1_000_000 });
const bucket = fc.record({
  used: fc.double({ min: 0, max: 2_000_000, noNaN: true }),
  at: fc.integer({ min: 0, max: 10 ** 9 }),
});
const pause = fc.integer({ min: 0, max: 200_000 });

describe('properties', () => {
  test('however requests come, no stretch of time admits more than the limit and what flows in meanwhile', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.integer({ min: 0, max: 4_000 }), { maxLength: 120 }),
        (limit, pauses) => {
          let now = 0;
          let state = EMPTY;
          const admitted: number[] = [];
          for (const each of pauses) {
            now += each;
            if (waitFor(state, limit, 1, now) > 0) continue;
            state = charged(state, limit, 1, now);
            admitted.push(now);
          }
          admitted.forEach((from, first) => {
            admitted.slice(first).forEach((to, more) => {
              expect(more + 1).toBeLessThanOrEqual(limit + ((to - from) * limit) / 60_000 + 1e-3);
            });
          });
        },
      ),
    );
  });

  test('who asks all the time gets the whole limit in every minute', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), (limit) => {
        let state = EMPTY;
        let admitted = 0;
        for (let now = 0; now < 3 * 60_000; now += 100) {
          if (waitFor(state, limit, 1, now) > 0) continue;
          state = charged(state, limit, 1, now);
          admitted += 1;
        }
        // One at once, and then as they flow in; the grid of 100 ms may cost the last one.
        expect(admitted).toBeGreaterThanOrEqual(4 * limit - 1);
        expect(admitted).toBeLessThanOrEqual(4 * limit);
      }),
      { numRuns: 20 },
    );
  });

  test('the wait is exact: before it is over there is no room, and then there is', () => {
    fc.assert(
      fc.property(bucket, perMinute, pause, (state, limit, later) => {
        const now = state.at + later;
        const wait = waitFor(state, limit, 1, now);
        expect(waitFor(state, limit, 1, now + wait)).toBe(0);
        if (wait > 1) expect(waitFor(state, limit, 1, now + wait - 1)).toBeGreaterThan(0);
      }),
    );
  });

  test('there is room for one exactly where one is told to remain', () => {
    fc.assert(
      fc.property(bucket, perMinute, pause, (state, limit, later) => {
        const now = state.at + later;
        expect(stateOf(state, limit, now).remaining >= 1).toBe(waitFor(state, limit, 1, now) === 0);
      }),
    );
  });

  test('it makes no difference how often it is looked at', () => {
    fc.assert(
      fc.property(bucket, perMinute, pause, pause, (state, limit, first, second) => {
        const end = state.at + first + second;
        const twice = drained(drained(state, limit, state.at + first), limit, end);
        expect(twice.used).toBeCloseTo(drained(state, limit, end).used, 3);
      }),
    );
  });

  test('nothing is below zero, and what is charged is there', () => {
    fc.assert(
      fc.property(bucket, perMinute, pause, fc.integer({ min: 0, max: 10 ** 6 }), (state, limit, later, units) => {
        const now = state.at + later;
        const before = drained(state, limit, now).used;
        expect(before).toBeGreaterThanOrEqual(0);
        expect(charged(state, limit, units, now)).toEqual({ used: before + units, at: now });
      }),
    );
  });

  test('a clock that is behind neither drains nor turns time back', () => {
    fc.assert(
      fc.property(bucket, perMinute, pause, (state, limit, earlier) => {
        expect(charged(state, limit, 1, state.at - earlier)).toEqual({ used: state.used + 1, at: state.at });
      }),
    );
  });
});
