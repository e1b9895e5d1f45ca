import { setTimeout as wait } from 'node:timers/promises';

/** Milliseconds since the epoch, to a tenth; it never goes back, and is comparable between processes of one machine. */
export function epochMs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 10) / 10;
}

/** Waits; a moment that is never reached is the end of the run. @throws the signal's reason when it is aborted. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    await wait(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
