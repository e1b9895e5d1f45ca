/** A closed loop: so many clients, each with one request at a time and the next at once after it. */

import { setTimeout as sleep } from 'node:timers/promises';

/** How hard, and for how long. */
export interface LoadOptions {
  /** Name for people. */
  what: string;
  clients: number;
  /** Milliseconds after which no client begins another request. */
  ms: number;
  /** Milliseconds over which the clients begin, so that they do not go in step. */
  spreadMs: number;
}

/** What a turn of load came to. */
export interface Load<T> {
  results: T[];
  /** From the first request to the end of the last answer, in milliseconds. */
  elapsedMs: number;
}

/** A failure ends the measurement: numbers beside errors mean nothing. */
export class LoadFailed extends Error {
  constructor(what: string, cause: unknown) {
    super(`${what}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    this.name = 'LoadFailed';
  }
}

/**
 * Runs `request` from `clients` clients until `ms` have passed, and at least once from each; waits for what is under way.
 * @throws LoadFailed with the first failure; the signal's reason when aborted.
 */
export async function closedLoop<T>(
  { what, clients, ms, spreadMs }: LoadOptions,
  signal: AbortSignal,
  request: (signal: AbortSignal) => Promise<T>,
): Promise<Load<T>> {
  const results: T[] = [];
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const start = performance.now();
  const client = async (_: unknown, index: number) => {
    try {
      await sleep((spreadMs * index) / clients, undefined, { signal: either });
      do results.push(await request(either));
      while (performance.now() - start < ms && !either.aborted);
    } catch (error) {
      failed.abort(error);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  signal.throwIfAborted();
  if (failed.signal.aborted) throw new LoadFailed(what, failed.signal.reason);
  return { results, elapsedMs: performance.now() - start };
}
