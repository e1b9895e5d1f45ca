/**
 * What the calls of an upstream tell of its health. Nobody asks it for its health: an upstream that fails again and again is
 * left alone for a while, then one call tries it; the longer it fails, the longer it is left alone. Pure.
 */

/** How an upstream does. Times are in milliseconds since the epoch. */
export interface Health {
  /** Calls that failed, one after another. */
  failures: number;
  /** How often it has been left alone since it last answered. */
  rests: number;
  /** It is left alone until then; null while it is well. */
  until: number | null;
  /** A call is trying it at this moment. */
  probing: boolean;
}

/** When an upstream is left alone, and for how long. */
export interface HealthPolicy {
  /** The failures in a row after which it is. */
  failures: number;
  /** Milliseconds of the first rest; doubled each time. */
  restMs: number;
  /** The longest rest, also when the upstream asks for a longer one. */
  maxRestMs: number;
}

/** What a call came to, as far as it tells of the upstream: `unknown` when it was ended by others, or refused as it was. */
export type Verdict = { outcome: 'well' } | { outcome: 'unknown' } | { outcome: 'failed'; retryAfterMs: number | null };

/** Of an upstream that nothing is known of. */
export const WELL: Health = { failures: 0, rests: 0, until: null, probing: false };

/** Whether it may be asked, where there is another one. */
export function isWell({ until, probing }: Health, now: number): boolean {
  return until === null || (now >= until && !probing);
}

/** A call begins. `probe`: it is the one that tries an upstream that has been left alone. */
export function callBegins(health: Health, now: number): { health: Health; probe: boolean } {
  const probe = health.until !== null && isWell(health, now);
  return { health: probe ? { ...health, probing: true } : health, probe };
}

/** A call has ended. `random` is from 0 to 1: processes that have been failed together do not come back together. */
export function callEnds(
  health: Health,
  call: { probe: boolean; verdict: Verdict },
  policy: HealthPolicy,
  { now, random }: { now: number; random: number },
): Health {
  const { probe, verdict } = call;
  if (verdict.outcome === 'well') return WELL;
  const probing = probe ? false : health.probing;
  if (verdict.outcome === 'unknown') return { ...health, probing };
  const failures = health.failures + 1;
  const asked = verdict.retryAfterMs === null ? null : now + Math.min(policy.maxRestMs, verdict.retryAfterMs);
  // Calls that began before it was left alone say nothing new.
  const resting = health.until !== null && !probe;
  if (resting || (failures < policy.failures && !probe)) {
    const until = asked === null ? health.until : Math.max(asked, health.until ?? 0);
    return { ...health, failures, probing, until };
  }
  const rest = Math.min(policy.maxRestMs, policy.restMs * 2 ** Math.min(health.rests, 30)) * (0.75 + random / 4);
  return { failures, rests: health.rests + 1, until: Math.max(now + rest, asked ?? 0), probing };
}
