const FIRST_MS = 100;
const LONGEST_MS = 5_000;
const STABLE_MS = 30_000;

/**
 * Milliseconds to wait before a process is started again: 100, doubled with each start that did not last, at most 5 s.
 *
 * @param previousMs the wait before the last start; 0 when there was none.
 * @param upMs how long the process ran; 30 s are enough to begin anew.
 */
export function nextDelay(previousMs: number, upMs: number): number {
  if (previousMs === 0 || upMs >= STABLE_MS) return FIRST_MS;
  return Math.min(LONGEST_MS, previousMs * 2);
}
