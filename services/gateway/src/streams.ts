import type { ServerResponse } from 'node:http';

/** The streams that are open in this process, so that a drain can wait for them and then end them. */
export class OpenStreams {
  readonly #open = new Set<ServerResponse>();
  #empty: (() => void) | undefined;

  get size(): number {
    return this.#open.size;
  }

  /** Registers a stream; call what it returns when the stream is over. */
  enter(out: ServerResponse): () => void {
    this.#open.add(out);
    return () => {
      this.#open.delete(out);
      if (this.#open.size === 0) this.#empty?.();
    };
  }

  /** Resolves when every stream is over; those that last longer than `ms` are cut, and their clients can come back. */
  async drain(ms: number): Promise<void> {
    if (this.#open.size === 0) return;
    const timer = setTimeout(() => {
      for (const out of this.#open) out.destroy();
    }, ms);
    await new Promise<void>((resolve) => {
      this.#empty = resolve;
    });
    clearTimeout(timer);
  }
}
