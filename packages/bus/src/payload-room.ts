/**
 * How much of large messages a process holds at once. What a message weighs in memory is a multiple of its size, so a process
 * that takes as many as it has hands for has no bound: here the large ones wait for each other, and the small ones do not.
 */

/** Messages up to this size neither wait nor count: their number is bounded already. */
const SMALL_BYTES = 64 * 1024;

/** So many wait at the most before a queue asks for no more: they are in the process already, and small ones may be behind them. */
const MOST_WAITING = 16;

interface Waiting {
  bytes: number;
  enter(): void;
}

/** What one piece of work comes to hold while it is done. */
export interface Growth {
  /** It has come to hold so many bytes more. */
  add(bytes: number): void;
  /** It holds nothing any more. */
  end(): void;
}

/** See the file's head. First come, first served. */
export class PayloadRoom {
  readonly #limit: number;
  readonly #waiting = new Set<Waiting>();
  readonly #callbacks = new Set<() => void>();
  /** Of messages, and of what was made of them. */
  #entered = 0;
  #grown = 0;

  /** `limit` is in bytes. A message that is larger goes alone. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of the messages that are in, and of what has grown beside them. */
  get held(): number {
    return this.#entered + this.#grown;
  }

  /** Whether so many wait that more messages are better off with other processes. */
  get full(): boolean {
    return this.#waiting.size >= MOST_WAITING;
  }

  /** Calls back each time there is room again. Call back to end it. */
  onRoom(callback: () => void): () => void {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  /**
   * Resolves when there is room for a message; whoever is done with it says so by calling what is returned, once or more.
   * Rejects with the reason of `signal`, when that is aborted before.
   */
  async enter(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (bytes <= SMALL_BYTES) return () => undefined;
    if (this.#waiting.size > 0 || !this.#fits(bytes)) await this.#wait(bytes, signal);
    else this.#entered += bytes;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#entered -= bytes;
      this.#admit();
    };
  }

  /**
   * What grows while it is made (an output, whatever its prompt was) waits for nobody, and messages wait for it; not what is
   * small.
   */
  grow(): Growth {
    let all = 0;
    let counted = 0;
    return {
      add: (bytes) => {
        all += bytes;
        if (all - counted <= SMALL_BYTES) return;
        this.#grown += all - counted;
        counted = all;
      },
      end: () => {
        this.#grown -= counted;
        all = 0;
        if (counted === 0) return;
        counted = 0;
        this.#admit();
      },
    };
  }

  /** What grows may never come to its end all at once: a message goes in when no other is. */
  #fits(bytes: number): boolean {
    return this.#entered === 0 || this.held + bytes <= this.#limit;
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiting);
        reject(signal.reason);
        // It may have been the one that those behind it waited for.
        this.#admit();
      };
      const enter = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const waiting: Waiting = { bytes, enter };
      this.#waiting.add(waiting);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  #admit(): void {
    for (const waiting of this.#waiting) {
      if (!this.#fits(waiting.bytes)) break;
      this.#waiting.delete(waiting);
      this.#entered += waiting.bytes;
      waiting.enter();
    }
    if (!this.full) for (const callback of this.#callbacks) callback();
  }
}
