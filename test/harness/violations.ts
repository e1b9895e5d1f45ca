/**
 * Who says that something is wrong: the project's own schemas, the specification document, the order of a stream, or the
 * search for secrets.
 */
export type Judge = 'schemas' | 'specification' | 'stream' | 'secrets';

/** One kind of thing that is wrong with what clients were sent, or with a log. */
export interface Violation {
  by: Judge;
  /** The first exchange, or the log, that had it. */
  where: string;
  what: string;
  /** How often it was seen. */
  count: number;
}

/** At most so many are shown in full. */
const SHOWN = 25;

/** What was wrong with anything that one stack has sent to its clients, or logged. */
export class Violations {
  readonly #found = new Map<string, Violation>();

  add(by: Judge, where: string, what: string): void {
    const key = `${by} ${what}`;
    const known = this.#found.get(key);
    if (known) known.count += 1;
    else this.#found.set(key, { by, where, what, count: 1 });
  }

  get list(): readonly Violation[] {
    return [...this.#found.values()];
  }

  /** @throws Error that names all of them, if there are any. */
  throwIfAny(): void {
    if (this.#found.size === 0) return;
    const lines = this.list.slice(0, SHOWN).map(({ by, where, what, count }) => {
      return `- [${by}] ${where}: ${what}${count > 1 ? ` (${count} times)` : ''}`;
    });
    const more = this.#found.size - lines.length;
    if (more > 0) lines.push(`- and ${more} more`);
    throw new Error(`What clients were sent, or a service has logged, is not what it may be:\n${lines.join('\n')}`);
  }
}
