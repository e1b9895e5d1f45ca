/** Which upstream is asked. Pure. */
import { type Health, isWell } from './health.ts';
import type { Candidate } from './upstreams.ts';

/** A candidate as it stands in this process. */
export interface Standing {
  candidate: Candidate;
  health: Health;
  /** Calls under way. */
  active: number;
}

/**
 * The one to ask; null when those that should be asked have as many calls as they take. Those that are well come first, of
 * them those with the lowest priority number that have room, of them each with its weight. Where none is well, those that are
 * not are asked all the same: an answer is not ruled out. `random` is from 0 to 1, without 1.
 */
export function chooseCandidate(standings: readonly Standing[], now: number, random: number): Candidate | null {
  const well = standings.filter(({ health }) => isWell(health, now));
  const eligible = well.length > 0 ? well : standings;
  const free = eligible.filter(hasRoom).map(({ candidate }) => candidate);
  const first = Math.min(...free.map(({ priority }) => priority));
  return byWeight(
    free.filter(({ priority }) => priority === first),
    random,
  );
}

function hasRoom({ candidate: { concurrency }, active }: Standing): boolean {
  return concurrency === null || active < concurrency;
}

/** Where nobody has a weight, all have the same. */
function byWeight(candidates: readonly Candidate[], random: number): Candidate | null {
  const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
  const weightOf = ({ weight }: Candidate) => (total > 0 ? weight : 1);
  let left = random * (total > 0 ? total : candidates.length);
  for (const candidate of candidates) {
    left -= weightOf(candidate);
    if (left < 0) return candidate;
  }
  return candidates.findLast((candidate) => weightOf(candidate) > 0) ?? null;
}
