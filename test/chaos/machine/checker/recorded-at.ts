import type { ResponseEvidence, StepRow } from './evidence.ts';

/**
 * The writer's clock is read before the transaction commits, and a database that stands still can put much between the two.
 * Where nothing better is known, so much is given to it.
 */
const COMMIT_SLACK_MS = 5_000;

/**
 * When a step's outcome was on record for certain: at its commit, as far as Postgres keeps track of commits; else when the
 * log told of it; else some time after the writer said so. Null for one that has none. Milliseconds since the epoch.
 */
export function recordedAt(step: StepRow, { log }: Pick<ResponseEvidence, 'log'>): number | null {
  const { endedEntry, committedAt } = step;
  const endedAt = step.completedAt ?? step.failedAt ?? step.canceledAt;
  if (endedEntry === null || endedAt === null) return null;
  if (committedAt !== null) return committedAt;
  return log.find(({ cursor }) => cursor >= endedEntry)?.at ?? endedAt + COMMIT_SLACK_MS;
}
