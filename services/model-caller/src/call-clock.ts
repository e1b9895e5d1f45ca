/** The time that one call of an upstream may take. */
import { ApiError } from '@tailrace/protocol';
import { UpstreamFailure } from './upstream-failure.ts';

/** Bounds of one call, in milliseconds. */
export interface CallTimeouts {
  /** For the connection, with its encryption. */
  connectMs: number;
  /** From the request to the first token of output. */
  firstTokenMs: number;
  /** Between two pieces of the stream, after the first token. */
  idleMs: number;
  /** For everything together. */
  totalMs: number;
}

/** See the file's head. It runs from its making on; `close` it when the call is over. */
export class CallClock {
  /** Aborted when a bound is reached, or for the reason of the signal that the clock was made with. */
  readonly signal: AbortSignal;
  readonly #timeouts: CallTimeouts;
  readonly #late = new AbortController();
  readonly #total: NodeJS.Timeout;
  readonly #first: NodeJS.Timeout;
  /** One for all pieces, from the first that is waited for: there can be thousands. */
  #idle: NodeJS.Timeout | undefined;
  #waiting = false;
  #started = false;

  constructor(timeouts: CallTimeouts, outer: AbortSignal) {
    const { firstTokenMs, totalMs } = timeouts;
    this.#timeouts = timeouts;
    this.signal = AbortSignal.any([outer, this.#late.signal]);
    // A stream that never ends, however slowly it goes on, is cut off all the same; asking again would take as long.
    this.#total = setTimeout(() => this.#reach(totalMs, false), totalMs);
    this.#first = setTimeout(() => this.#reach(firstTokenMs, true), firstTokenMs);
  }

  /** The bound that was reached; null while there is time. */
  get failure(): UpstreamFailure | null {
    return this.#late.signal.aborted ? (this.#late.signal.reason as UpstreamFailure) : null;
  }

  /** Output has come. */
  firstToken(): void {
    if (this.#started) return;
    this.#started = true;
    clearTimeout(this.#first);
  }

  /** The pieces of a body. Only the time that the upstream is waited for counts as idle. */
  async *watch(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const pieces = body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#waitFor(pieces.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await pieces.return?.();
    }
  }

  close(): void {
    clearTimeout(this.#total);
    clearTimeout(this.#first);
    clearTimeout(this.#idle);
  }

  async #waitFor<T>(piece: Promise<T>): Promise<T> {
    if (!this.#started) return piece;
    const { idleMs } = this.#timeouts;
    this.#waiting = true;
    if (this.#idle) this.#idle.refresh();
    else this.#idle = setTimeout(() => this.#waiting && this.#reach(idleMs, true), idleMs);
    try {
      return await piece;
    } finally {
      this.#waiting = false;
    }
  }

  #reach(ms: number, retryable: boolean): void {
    this.#late.abort(new UpstreamFailure(new ApiError('upstream_timeout', { ms }), { retryable }));
  }
}
