/**
 * How many calls of a source may begin in a minute, in all processes together. JetStream counts: each call is a message in a
 * stream of the source that holds as many as are allowed, each for a minute, and takes no more. So there is one clock, the
 * server's, and in no minute there are more.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PublishUncertain } from '@tailrace/bus';
import type { RateStreams } from './rate-streams.ts';

/**
 * What a full stream waits beyond its oldest message, at least and at random: not all processes shall ask at once. Fixed: how
 * many calls begin is the stream's affair, this only spreads the questions.
 */
const PATIENCE_MS = { least: 10, random: 90, unknown: 500, most: 5_000 };

/** How often one call finds nobody who counts it, before it fails: whoever has removed the stream may do so again. */
const UNHEARD = 3;

/** See the file's head. */
export class RateLimits {
  readonly #streams: RateStreams;

  constructor(streams: RateStreams) {
    this.#streams = streams;
  }

  /**
   * Resolves when a call of the source may begin, and counts it; twice, at worst, where a server says nothing. Rejects when
   * `signal` is aborted, and when nobody counts.
   */
  async take(source: string, perMinute: number, signal: AbortSignal): Promise<void> {
    for (let unheard = 0; ; ) {
      signal.throwIfAborted();
      await this.#streams.prepare(source, perMinute);
      try {
        if (await this.#streams.count(source)) return;
      } catch (error) {
        unheard += 1;
        if (!(error instanceof PublishUncertain) || unheard === UNHEARD) throw error;
        continue;
      }
      await sleep(patience(await this.#streams.untilFree(source)), undefined, { signal });
    }
  }
}

/** Milliseconds to wait, where there is room in so many; null where nobody knows. */
function patience(left: number | null): number {
  const wait = left === null ? PATIENCE_MS.unknown : Math.max(0, Math.min(left, PATIENCE_MS.most));
  return PATIENCE_MS.least + wait + Math.random() * PATIENCE_MS.random;
}
