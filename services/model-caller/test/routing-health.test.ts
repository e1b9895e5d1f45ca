import { describe, expect, test } from 'vitest';
import {
  callBegins,
  callEnds,
  type Health,
  type HealthPolicy,
  isWell,
  type Verdict,
  WELL,
} from '../src/routing/health.ts';

const POLICY: HealthPolicy = { failures: 3, restMs: 1_000, maxRestMs: 8_000 };
const failed: Verdict = { outcome: 'failed', retryAfterMs: null };

/** The health after a call that began and ended at `now`. */
function after(health: Health, verdict: Verdict, now: number): Health {
  const begun = callBegins(health, now);
  return callEnds(begun.health, { probe: begun.probe, verdict }, POLICY, { now, random: 1 });
}

const failing = (times: number, health = WELL, now = 0): Health =>
  Array.from({ length: times }).reduce<Health>((each) => after(each, failed, now), health);

describe('an upstream', () => {
  test('is left alone after so many failures in a row, and not before', () => {
    expect(isWell(failing(2), 0)).toBe(true);
    const resting = failing(3);
    expect(isWell(resting, 999)).toBe(false);
    expect(isWell(resting, 1_000)).toBe(true);
  });

  test('that answers has failed never', () => {
    expect(after(failing(2), { outcome: 'well' }, 0)).toEqual(WELL);
  });

  test('that refuses a request, or is left by the client, is as it was', () => {
    const before = failing(2);
    expect(after(before, { outcome: 'unknown' }, 0)).toEqual(before);
  });

  test('that has rested is tried by one call at a time', () => {
    const rested = failing(3);
    const probing = callBegins(rested, 1_000);
    expect(probing.probe).toBe(true);
    expect(isWell(probing.health, 1_000)).toBe(false);
    const second = callBegins(probing.health, 1_000);
    expect(second.probe).toBe(false);
    const chance = { now: 1_100, random: 1 };
    const unknown = callEnds(probing.health, { probe: true, verdict: { outcome: 'unknown' } }, POLICY, chance);
    expect(isWell(unknown, 1_100)).toBe(true);
    expect(callEnds(probing.health, { probe: true, verdict: { outcome: 'well' } }, POLICY, chance)).toEqual(WELL);
  });

  test('that fails again rests twice as long, up to a bound', () => {
    let health = failing(3);
    const rests: number[] = [];
    let now = 0;
    for (let round = 0; round < 6; round += 1) {
      rests.push((health.until ?? 0) - now);
      now = health.until ?? 0;
      health = after(health, failed, now);
    }
    expect(rests).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  });

  test('does not rest longer because many calls failed at once', () => {
    const begun = Array.from({ length: 50 }, () => callBegins(WELL, 0));
    const end = begun.reduce<Health>(
      (health, { probe }) => callEnds(health, { probe, verdict: failed }, POLICY, { now: 0, random: 1 }),
      WELL,
    );
    expect(end.until).toBe(1_000);
    expect(end.rests).toBe(1);
  });

  test('that asks for a pause gets it at the first failure, up to the bound', () => {
    const asked = after(WELL, { outcome: 'failed', retryAfterMs: 5_000 }, 0);
    expect([isWell(asked, 4_999), isWell(asked, 5_000)]).toEqual([false, true]);
    const long = after(WELL, { outcome: 'failed', retryAfterMs: 3_600_000 }, 0);
    expect(long.until).toBe(8_000);
  });

  test('comes back a little sooner in some processes than in others', () => {
    const ends = [0, 0.5, 1].map((random) =>
      callEnds(failing(2), { probe: false, verdict: failed }, POLICY, { now: 0, random }),
    );
    expect(ends.map(({ until }) => until)).toEqual([750, 875, 1_000]);
  });
});
