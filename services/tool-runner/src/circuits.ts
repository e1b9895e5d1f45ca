import { LRUCache } from 'lru-cache';
import { admit, admits, type Circuit, type CircuitOptions, CLOSED, type Finding, record } from './circuit.ts';

/**
 * The most sources that a process remembers; clients can name as many as they like. Fixed, since it is memory and nothing else:
 * a source that is forgotten is called, and found out about, as one that was never heard of.
 */
const SOURCES = 10_000;

/** The circuits of all sources, as this process has found them. */
export class Circuits {
  readonly #options: CircuitOptions;
  readonly #now: () => number;
  readonly #circuits = new LRUCache<string, Circuit>({ max: SOURCES });

  constructor(options: CircuitOptions, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
  }

  /** Whether {@link admit} would let a call of the source through now. Nothing follows from the question. */
  admits(source: string): boolean {
    return admits(this.#circuits.get(source) ?? CLOSED, this.#now());
  }

  /** Whether a call of the source may be made now. After one that is made, {@link record} has to be called, once. */
  admit(source: string): boolean {
    const { admitted, circuit } = admit(this.#circuits.get(source) ?? CLOSED, this.#now());
    this.#circuits.set(source, circuit);
    return admitted;
  }

  record(source: string, finding: Finding): void {
    this.#circuits.set(source, record(this.#circuits.get(source) ?? CLOSED, finding, this.#now(), this.#options));
  }
}
