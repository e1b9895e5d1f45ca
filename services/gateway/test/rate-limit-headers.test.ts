import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { duration, rateLimitHeaders } from '../src/rate-limit-headers.ts';

describe('rateLimitHeaders', () => {
  test('tells of what is limited', () => {
    const requests = { limit: 60, remaining: 59, resetMs: 1_000 };
    const tokens = { limit: 150_000, remaining: 149_984, resetMs: 6.4 };
    expect(rateLimitHeaders({ requests, tokens })).toEqual({
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-limit-tokens': '150000',
      'x-ratelimit-remaining-tokens': '149984',
      'x-ratelimit-reset-tokens': '7ms',
    });
    expect(Object.keys(rateLimitHeaders({ requests: null, tokens }))).toHaveLength(3);
    expect(rateLimitHeaders({ requests: null, tokens: null })).toEqual({});
    expect(rateLimitHeaders(undefined)).toEqual({});
  });
});

describe('duration', () => {
  test.each([
    [0, '0s'],
    [0.2, '1ms'],
    [20, '20ms'],
    [999, '999ms'],
    [999.5, '1s'],
    [1_000, '1s'],
    [1_001, '2s'],
    [59_999, '1m0s'],
    [60_000, '1m0s'],
    [360_000, '6m0s'],
    [361_000, '6m1s'],
    [3_600_000, '1h0m0s'],
    [5_025_000, '1h23m45s'],
  ])('%d', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  test('is never shorter than the time, and at most a second longer', () => {
    const UNITS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
    fc.assert(
      fc.property(fc.double({ min: 0, max: 10 ** 9, noNaN: true }), (ms) => {
        const parts = [...duration(ms).matchAll(/(\d+)(ms|[hms])/g)];
        expect(parts.map(([part]) => part).join('')).toBe(duration(ms));
        const told = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ''] ?? Number.NaN), 0);
        expect(told).toBeGreaterThanOrEqual(ms);
        expect(told - ms).toBeLessThan(1_000);
      }),
    );
  });
});
