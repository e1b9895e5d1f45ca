/** The responses that clients follow in this process, so that a drain can wait for their ends and then cut the rest. */
export class OpenStreams {
  readonly #open = new Map<() => void, (() => void) | undefined>();
  #empty: (() => void) | undefined;
  #draining = false;

  /** Whether the process is about to stop, and takes nothing new. */
  get draining(): boolean {
    return this.#draining;
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * Registers a stream, or a request that waits for the end; `cut` ends it early. What has no end of its own is told by
   * `drain` to find one. Call what it returns when it is over.
   */
  enter(cut: () => void, drain?: () => void): () => void {
    this.#open.set(cut, drain);
    return () => {
      this.#open.delete(cut);
      if (this.#open.size === 0) this.#empty?.();
    };
  }

  /** Resolves when everything is over; what lasts longer than `ms` is cut, and its clients can come back. */
  async drain(ms: number): Promise<void> {
    this.#draining = true;
    if (this.#open.size === 0) return;
    const timer = setTimeout(() => {
      for (const cut of this.#open.keys()) cut();
    }, ms);
    await new Promise<void>((resolve) => {
      this.#empty = resolve;
      for (const drain of this.#open.values()) drain?.();
    });
    clearTimeout(timer);
  }
}
