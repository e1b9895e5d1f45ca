import { createHash } from 'node:crypto';

/** Counts how often a thing was reached, for things that go wrong only the first n times. Bounded: forgets the oldest. */
export class FaultCounter {
  readonly #counts = new Map<string, number>();
  readonly #limit: number;

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  /** Counts one more arrival at `place` of `text`; true while there were no more than `times` (null: always). */
  reach(text: string, place: string, times: number | null): boolean {
    if (times === null) return true;
    const key = createHash('sha256').update(place).update('\0').update(text).digest('base64');
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.delete(key);
    this.#counts.set(key, count);
    if (this.#counts.size > this.#limit) {
      for (const oldest of this.#counts.keys()) {
        this.#counts.delete(oldest);
        break;
      }
    }
    return count <= times;
  }
}
