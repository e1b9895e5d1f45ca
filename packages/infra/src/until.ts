import { setTimeout as sleep } from 'node:timers/promises';

/** How long and how often to look. */
export interface Patience {
  /** Bound in milliseconds. */
  readonly forMs: number;
  /** Pause between two looks in milliseconds. */
  readonly everyMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks again and again until `look` gives something else than undefined, and returns it; undefined when the time is up.
 *
 * @throws the signal's reason when aborted, and whatever `look` throws.
 */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  patience: Patience,
): Promise<T | undefined> {
  const deadline = performance.now() + patience.forMs;
  for (;;) {
    patience.signal?.throwIfAborted();
    const seen = await look();
    if (seen !== undefined || performance.now() >= deadline) return seen;
    await sleep(patience.everyMs, undefined, patience.signal === undefined ? {} : { signal: patience.signal });
  }
}
