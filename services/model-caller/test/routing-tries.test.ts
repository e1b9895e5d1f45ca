import { ApiError } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { type Told, Tries } from '../src/routing/tries.ts';
import type { Candidate } from '../src/routing/upstreams.ts';
import { UpstreamFailure } from '../src/upstream-failure.ts';
import { candidate, upstreams } from './upstreams.ts';

const POLICY = { attempts: 3, backoffMs: 100, maxBackoffMs: 1_000 };
const [a, b] = [candidate('a'), candidate('b')];

function answered(status: number, retryAfterMs: number | null = null): UpstreamFailure {
  const retryable = [408, 409, 429, 500].includes(status);
  return new UpstreamFailure(new ApiError('upstream_error', { status }), { status, retryable, retryAfterMs });
}
const unreachable = new UpstreamFailure(new ApiError('upstream_unreachable'), { retryable: true });
const tooLarge = new UpstreamFailure(new ApiError('upstream_too_large'), { retryable: false });
const late = new UpstreamFailure(new ApiError('upstream_timeout'), { retryable: false });

const ids = (candidates: Candidate[]) => candidates.map(({ id }) => id);

describe('the tries of a call', () => {
  function failing(tries: Tries, at: Candidate, failure: UpstreamFailure, now = 0, told: Told = 'no') {
    return tries.failed({ candidate: at, failure, told, now, random: 1 });
  }

  test('go on with another upstream at once', () => {
    for (const failure of [unreachable, late, answered(500), answered(401), answered(429, 60_000)]) {
      const tries = new Tries(upstreams(a, b), POLICY);
      expect(failing(tries, a, failure)).toEqual({ at: 0 });
      expect(ids(tries.open(0))).toEqual(['b']);
    }
  });

  test('are over when the request itself is wrong, or its answer too large', () => {
    for (const failure of [answered(400), answered(422), tooLarge]) {
      const tries = new Tries(upstreams(a, b), POLICY);
      expect(failing(tries, a, failure)).toBeNull();
    }
  });

  test('stay where they are after a status that is tried again, but nowhere else', () => {
    const tries = new Tries(upstreams(a, b), POLICY);
    expect(failing(tries, a, answered(409))).toEqual({ at: 100 });
    expect(ids(tries.open(100))).toEqual(['a']);
  });

  test('come round again after a pause that doubles, so many times', () => {
    const tries = new Tries(upstreams(a, b), POLICY);
    const told: unknown[] = [];
    let now = 0;
    for (const each of [a, b, a, b, a, b]) {
      const next = failing(tries, each, answered(500), now);
      told.push(next && next.at - now);
      now = next?.at ?? now;
    }
    expect(told).toEqual([0, 100, 0, 200, 0, null]);
  });

  test('leave out whoever will not do better', () => {
    const tries = new Tries(upstreams(a, b), POLICY);
    failing(tries, a, answered(401));
    expect(failing(tries, b, answered(500))).toEqual({ at: 100 });
    expect(ids(tries.open(100))).toEqual(['b']);
    expect(failing(tries, b, answered(401), 100)).toBeNull();
  });

  test('wait as long as an upstream asks, and nobody longer than is allowed', () => {
    const tries = new Tries(upstreams(a), POLICY);
    expect(failing(tries, a, answered(429, 700))).toEqual({ at: 800 });
    expect(ids(tries.open(799))).toEqual([]);
    const impatient = new Tries(upstreams(a), POLICY);
    expect(failing(impatient, a, answered(429, 1_001))).toBeNull();
  });

  test('do not wait for one that asks for long while another may be asked', () => {
    const tries = new Tries(upstreams(a, b), POLICY);
    failing(tries, a, answered(429, 900));
    expect(failing(tries, b, answered(500))).toEqual({ at: 100 });
    expect(ids(tries.open(100))).toEqual(['b']);
  });

  test('stay with whom output has come from', () => {
    const tries = new Tries(upstreams(a, b), POLICY);
    expect(failing(tries, a, unreachable, 0, 'same')).toEqual({ at: 100 });
    expect(ids(tries.open(100))).toEqual(['a']);
    expect(failing(tries, a, late, 100, 'same')).toBeNull();
  });

  test('are over where output cannot be told again', () => {
    expect(failing(new Tries(upstreams(a, b), POLICY), a, unreachable, 0, 'over')).toBeNull();
  });
});
