import type { KeptItem, ResponseId } from '@tailrace/protocol';

/**
 * What was said up to the latest response of a connection that nobody stores: only this connection can go on from it. There
 * is one at a time, and its size is bounded (I8).
 */
export class ConversationMemory {
  readonly #limit: number;
  #latest: { id: ResponseId; items: readonly KeptItem[] } | undefined;

  /** `limit` in bytes, as JSON. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Everything up to and including a response; undefined when it is not the one that is remembered. */
  itemsOf(id: ResponseId | null): KeptItem[] | undefined {
    return this.#latest !== undefined && this.#latest.id === id ? [...this.#latest.items] : undefined;
  }

  /** Takes the place of what was remembered before. What is too large is not remembered, and cannot be gone on from. */
  remember(id: ResponseId, items: readonly KeptItem[]): void {
    this.#latest = isWithin(items, this.#limit) ? { id, items } : undefined;
  }

  forget(id: ResponseId): void {
    if (this.#latest?.id === id) this.#latest = undefined;
  }
}

function isWithin(items: readonly KeptItem[], limit: number): boolean {
  let size = 0;
  return items.every((item) => {
    size += Buffer.byteLength(JSON.stringify(item));
    return size <= limit;
  });
}
