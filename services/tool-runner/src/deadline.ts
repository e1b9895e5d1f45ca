/**
 * The time that something may take. Its timer ends with {@link close}: one that nobody can end would keep what listens to it
 * until then.
 */
export class Deadline {
  /** Aborted with a `TimeoutError` when the time is up. */
  readonly signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;

  /** It runs from its making on, for `ms` milliseconds. */
  constructor(ms: number) {
    const late = new AbortController();
    this.signal = late.signal;
    this.#timer = setTimeout(() => late.abort(new DOMException(`${ms} ms are over`, 'TimeoutError')), ms);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
