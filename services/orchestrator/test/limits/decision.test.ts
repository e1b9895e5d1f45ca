import type { ScopeLimits } from '@tailrace/bus';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../src/limits/bucket.ts';
import { decide, type ScopeUse } from '../../src/limits/decision.ts';

const NOW = 5_000;

function use(
  limits: Partial<ScopeLimits>,
  used: { requests?: number; tokens?: number; underWay?: number } = {},
): ScopeUse {
  return {
    limits: { scope: 'key:alice', requestsPerMinute: null, tokensPerMinute: null, concurrency: null, ...limits },
    requests: { used: used.requests ?? 0, at: NOW },
    tokens: { used: used.tokens ?? 0, at: NOW },
    underWay: used.underWay ?? 0,
  };
}

describe('a request that may begin', () => {
  test('is one of each scope, and tokens are for later', () => {
    const uses = [
      use({ requestsPerMinute: 60, tokensPerMinute: 100 }, { requests: 4, tokens: 99 }),
      use({ scope: 'group:staff', requestsPerMinute: 10, concurrency: 3 }, { underWay: 2 }),
    ];
    const decision = decide(uses, NOW);
    expect(decision).toMatchObject({
      admitted: true,
      uses: [
        { requests: { used: 5 }, tokens: { used: 99 } },
        { requests: { used: 1 }, underWay: 3 },
      ],
    });
  });

  test('is told of the limit that is nearest to its end', () => {
    const uses = [
      use({ requestsPerMinute: 60, tokensPerMinute: 1_000 }, { requests: 4, tokens: 400 }),
      use({ scope: 'group:staff', requestsPerMinute: 10, tokensPerMinute: 10_000 }),
    ];
    expect(decide(uses, NOW)).toMatchObject({
      rateLimit: {
        requests: { limit: 10, remaining: 9, resetMs: 6_000 },
        tokens: { limit: 1_000, remaining: 600, resetMs: 24_000 },
      },
    });
  });

  test('is told of nothing that is not limited', () => {
    expect(decide([use({ concurrency: 1 })], NOW)).toMatchObject({ rateLimit: { requests: null, tokens: null } });
  });
});

describe('a request that is refused', () => {
  test.each<[string, ScopeUse[], { waitMs: number | null; rule: string }]>([
    [
      'for its requests',
      [use({ requestsPerMinute: 60 }, { requests: 60 })],
      { waitMs: 1_000, rule: 'this key may make 60 requests a minute' },
    ],
    [
      'for its tokens',
      [use({ requestsPerMinute: 60, tokensPerMinute: 600 }, { tokens: 1_200 })],
      { waitMs: 60_100, rule: 'this key may use 600 tokens a minute' },
    ],
    [
      'for what is under way: nobody knows how long',
      [use({ concurrency: 2 }, { underWay: 2 })],
      { waitMs: null, rule: 'this key may have 2 requests under way at once' },
    ],
    [
      'for its group',
      [use({ requestsPerMinute: 60 }), use({ scope: 'group:staff', requestsPerMinute: 6 }, { requests: 6 })],
      { waitMs: 10_000, rule: "all keys of the group 'staff' together may make 6 requests a minute" },
    ],
    [
      'for several: the one that lasts longest',
      [
        use({ concurrency: 1, requestsPerMinute: 60 }, { underWay: 1, requests: 60 }),
        use({ scope: 'group:staff', requestsPerMinute: 6 }, { requests: 6 }),
      ],
      { waitMs: 10_000, rule: "all keys of the group 'staff' together may make 6 requests a minute" },
    ],
  ])('%s', (_, uses, { waitMs, rule }) => {
    const decision = decide(uses, NOW);
    if (decision.admitted) throw new Error('it is admitted');
    expect(decision.refusal.rule).toBe(rule);
    if (waitMs === null) expect(decision.refusal.waitMs).toBeNull();
    else expect(decision.refusal.waitMs).toBeCloseTo(waitMs, 6);
  });

  test('leaves the limits as they are', () => {
    expect(decide([use({ requestsPerMinute: 2 }, { requests: 2 })], NOW)).toMatchObject({
      refusal: { rateLimit: { requests: { limit: 2, remaining: 0, resetMs: 60_000 }, tokens: null } },
    });
  });
});

const limit = fc.option(fc.integer({ min: 1, max: 50 }), { nil: null });
const anyUse = fc
  .record({
    requestsPerMinute: limit,
    tokensPerMinute: limit,
    concurrency: limit,
    requests: fc.double({ min: 0, max: 100, noNaN: true }),
    tokens: fc.double({ min: 0, max: 100, noNaN: true }),
    underWay: fc.nat({ max: 60 }),
  })
  .map(({ requests, tokens, underWay, ...limits }) => use(limits, { requests, tokens, underWay }));

test('admitted is exactly what every limit has room for; and after its wait nothing by the minute stands against it', () => {
  fc.assert(
    fc.property(fc.array(anyUse, { minLength: 1, maxLength: 4 }), (uses) => {
      const rooms = uses.map(({ limits, requests, tokens, underWay }) => ({
        requests: limits.requestsPerMinute === null || waitFor(requests, limits.requestsPerMinute, 1, NOW) === 0,
        tokens: limits.tokensPerMinute === null || waitFor(tokens, limits.tokensPerMinute, 1, NOW) === 0,
        places: limits.concurrency === null || underWay < limits.concurrency,
      }));
      const decision = decide(uses, NOW);
      expect(decision.admitted).toBe(rooms.every((room) => room.requests && room.tokens && room.places));
      if (decision.admitted) return;
      const free = uses.map((each) => ({ ...each, underWay: 0 }));
      expect(decide(free, NOW + (decision.refusal.waitMs ?? 0)).admitted).toBe(true);
    }),
  );
});
