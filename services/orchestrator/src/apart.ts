/** Does the same for many responses, so that one for which it cannot be done keeps no other one from it. */
import type { ResponseId } from '@tailrace/protocol';
import type { OrchestratorContext } from './context.ts';

/** How many are under way at once. */
const AT_ONCE = 8;
/** Milliseconds that one of them is waited for: what only JetStream keeps back is tried again in the next round. */
const EACH_MS = 30_000;

/** What a round has come to. */
export interface Round {
  /** For how many it was done. */
  done: number;
  /** What it has failed with. */
  failures: unknown[];
}

/**
 * Does `act` for each of the rows; it resolves with whether there was anything to do. What it throws is told in the log,
 * and counted. Nothing more is begun when `signal` is aborted.
 */
export async function eachApart<Row extends { id: ResponseId }>(
  { log }: Pick<OrchestratorContext, 'log'>,
  task: string,
  rows: readonly Row[],
  signal: AbortSignal,
  act: (row: Row, signal: AbortSignal) => Promise<boolean>,
): Promise<Round> {
  const round: Round = { done: 0, failures: [] };
  const left = rows.values();
  const hand = async () => {
    for (const row of left) {
      if (signal.aborted) return;
      try {
        if (await act(row, AbortSignal.any([signal, AbortSignal.timeout(EACH_MS)]))) round.done += 1;
      } catch (error) {
        if (signal.aborted) return;
        round.failures.push(error);
        log.error({ err: error, response_id: row.id, task }, 'this could not be done for a response');
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, hand));
  return round;
}

/** The most pages of one round. */
const PAGES = 10;

/**
 * The same for all rows that `page` finds: those for which it was done are not there any more when it is asked again, and
 * `passed` counts those that are. `size` is how many a page has at most.
 */
export async function eachPageApart<Row extends { id: ResponseId }>(
  context: Pick<OrchestratorContext, 'log'>,
  task: string,
  { page, size }: { page(passed: number): Promise<Row[]>; size: number },
  signal: AbortSignal,
  act: (row: Row, signal: AbortSignal) => Promise<boolean>,
): Promise<Round> {
  const all: Round = { done: 0, failures: [] };
  for (let pages = 0; pages < PAGES && !signal.aborted; pages += 1) {
    const rows = await page(all.failures.length);
    const { done, failures } = await eachApart(context, task, rows, signal, act);
    all.done += done;
    all.failures.push(...failures);
    if (rows.length < size) break;
  }
  return all;
}
