import { describe, expect, test } from 'vitest';
import { chooseCandidate, type Standing } from '../src/routing/choice.ts';
import { WELL } from '../src/routing/health.ts';
import { candidate } from './upstreams.ts';

const UNWELL = { ...WELL, failures: 3, rests: 1, until: 10_000 };

function standing(name: string, fields: Partial<Standing['candidate']> = {}, state: Partial<Standing> = {}): Standing {
  return { candidate: candidate(name, fields), health: WELL, active: 0, ...state };
}

const chosen = (standings: Standing[], random = 0) => chooseCandidate(standings, 0, random)?.id ?? null;

/** How often each is chosen, of a thousand evenly spread chances. */
function shares(standings: Standing[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let at = 0; at < 1_000; at += 1) {
    const id = chosen(standings, at / 1_000) ?? 'nobody';
    counts[id] = (counts[id] ?? 0) + 1;
  }
  return counts;
}

describe('the upstream that is asked', () => {
  test('is of the lowest priority number, whatever the weights', () => {
    expect(shares([standing('second', { priority: 1, weight: 100 }), standing('first', { priority: 0 })])).toEqual({
      first: 1_000,
    });
  });

  test('is chosen by its weight among equals', () => {
    expect(shares([standing('a', { weight: 1 }), standing('b', { weight: 3 }), standing('c', { weight: 6 })])).toEqual({
      a: 100,
      b: 300,
      c: 600,
    });
  });

  test('is any of them where none has a weight', () => {
    expect(shares([standing('a', { weight: 0 }), standing('b', { weight: 0 })])).toEqual({ a: 500, b: 500 });
  });

  test('is well, if any is', () => {
    expect(shares([standing('first', {}, { health: UNWELL }), standing('second', { priority: 5 })])).toEqual({
      second: 1_000,
    });
  });

  test('is one that is not well where none is: an answer is not ruled out', () => {
    const standings = [
      standing('first', {}, { health: UNWELL }),
      standing('second', { priority: 1 }, { health: UNWELL }),
    ];
    expect(shares(standings)).toEqual({ first: 1_000 });
  });

  test('has room; the next priority takes what is too much', () => {
    const full = standing('first', { concurrency: 2 }, { active: 2 });
    expect(chosen([full, standing('second', { priority: 1 })])).toBe('second');
    expect(chosen([standing('first', { concurrency: 2 }, { active: 1 }), standing('second', { priority: 1 })])).toBe(
      'first',
    );
  });

  test('is nobody while those that are well have no room', () => {
    const full = standing('first', { concurrency: 1 }, { active: 1 });
    expect(chosen([full])).toBeNull();
    expect(chosen([full, standing('second', {}, { health: UNWELL })])).toBeNull();
    expect(chosen([])).toBeNull();
  });

  test('is there for every chance', () => {
    const three = [standing('a', { weight: 1 }), standing('b', { weight: 1 }), standing('c', { weight: 1 })];
    expect(chosen(three, 0.999_999_999_999_999_9)).toBe('c');
  });
});
