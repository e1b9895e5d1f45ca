const TICK_MS = 100;

/**
 * Notices when the whole process has stood still (frozen, swapped out, a host that slept): what arrives right afterwards
 * may have been on its way for long, and have been given to somebody else since.
 */
export class PauseWatch {
  readonly #thresholdMs: number;
  readonly #timer: NodeJS.Timeout;
  #tickedAt = performance.now();
  #pausedAt = Number.NEGATIVE_INFINITY;

  /** Pauses of less than `thresholdMs` do not count. */
  constructor(thresholdMs: number) {
    this.#thresholdMs = thresholdMs;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  /** Whether the process has stood still, and has come back less than `withinMs` ago. */
  stoodStill(withinMs: number): boolean {
    this.#tick();
    return performance.now() - this.#pausedAt < withinMs;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    if (now - this.#tickedAt > this.#thresholdMs) this.#pausedAt = now;
    this.#tickedAt = now;
  }
}
