/** Which fault comes when. Pure: the same seed and options are the same schedule. */
import { Random } from '../workload/random.ts';
import { type FaultKind, partsOf, targetsOf } from './kinds.ts';
import type { Topology } from './topology.ts';

/** A fault that is planned. */
export interface PlannedFault {
  /** Milliseconds after the schedule's beginning at which it is injected. */
  readonly at: number;
  /** When its heal begins. */
  readonly until: number;
  readonly kind: FaultKind;
  readonly target: string;
}

/** What a schedule is made of. */
export interface ScheduleOptions {
  readonly topology: Topology;
  /** The kinds to choose from; those that such a system cannot have are left out. */
  readonly kinds: readonly FaultKind[];
  /** Milliseconds from the beginning to the end of the last heal. */
  readonly durationMs: number;
  /** How long each fault lasts; 5 s by default. */
  readonly faultMs?: number;
  /** How long nothing is wrong between two faults; 5 s by default. */
  readonly healMs?: number;
  /** How many faults there are at most at once; 3 by default. */
  readonly combine?: number;
}

/**
 * Slots of `faultMs`, `healMs` apart. Every kind comes once before any comes twice, and so on: the first time alone, as far as
 * there are slots for it; from then on alone or with up to `combine` - 1 others, none of which hit the same part.
 */
export function schedule(seed: number, options: ScheduleOptions): PlannedFault[] {
  const { topology, durationMs, faultMs = 5_000, healMs = 5_000, combine = 3 } = options;
  const random = new Random(seed, 'faults');
  const kinds = [...new Set(options.kinds)].filter((kind) => targetsOf(kind, topology).length > 0);
  const slots = Math.floor(durationMs / (faultMs + healMs));
  const bag = new Bag(kinds, topology, random);
  const planned: PlannedFault[] = [];
  for (let slot = 0; slot < slots; slot += 1) {
    const at = slot * (faultMs + healMs);
    const share = Math.ceil(bag.left / (slots - slot));
    const size = bag.isFirst ? Math.min(combine, share) : random.integer(1, combine);
    const taken = new Set<string>();
    for (let count = 0; count < size; count += 1) {
      const found = bag.take(taken);
      if (found === undefined) break;
      for (const part of partsOf(found.kind, found.target, topology)) taken.add(part);
      planned.push({ at, until: at + faultMs, ...found });
    }
  }
  return planned;
}

/** Kinds in random order, a full set after another. */
class Bag {
  /** Whether this is the first set. */
  isFirst = true;
  readonly #kinds: readonly FaultKind[];
  readonly #topology: Topology;
  readonly #random: Random;
  #inside: FaultKind[];

  constructor(kinds: readonly FaultKind[], topology: Topology, random: Random) {
    this.#kinds = kinds;
    this.#topology = topology;
    this.#random = random;
    this.#inside = shuffled(kinds, random);
  }

  /** How many kinds are left of this set. */
  get left(): number {
    return this.#inside.length;
  }

  /** Takes out a kind, with a target of which no part is taken. The next set begins only when this one is used up. */
  take(taken: ReadonlySet<string>): { kind: FaultKind; target: string } | undefined {
    for (const [index, kind] of this.#inside.entries()) {
      const free = targetsOf(kind, this.#topology).filter((target) => !this.#hits(kind, target, taken));
      if (free.length === 0) continue;
      this.#inside.splice(index, 1);
      this.#refill();
      return { kind, target: this.#random.pick(free) };
    }
    return undefined;
  }

  #refill(): void {
    if (this.#inside.length === 0) {
      this.#inside = shuffled(this.#kinds, this.#random);
      this.isFirst = false;
    }
    // Kinds that get into each other's way need a slot each: those of the largest such group come first when slots are few.
    if (this.isFirst) this.#inside = this.#mostRivalsFirst();
  }

  #mostRivalsFirst(): FaultKind[] {
    const rivals = new Map(
      this.#inside.map((kind) => [kind, this.#inside.filter((other) => this.#areRivals(kind, other)).length]),
    );
    return this.#inside.toSorted((one, other) => (rivals.get(other) ?? 0) - (rivals.get(one) ?? 0));
  }

  /** Whether two kinds can never be there at once. */
  #areRivals(one: FaultKind, other: FaultKind): boolean {
    return targetsOf(one, this.#topology).every((target) =>
      targetsOf(other, this.#topology).every((second) =>
        this.#hits(one, target, new Set(partsOf(other, second, this.#topology))),
      ),
    );
  }

  #hits(kind: FaultKind, target: string, parts: ReadonlySet<string>): boolean {
    return partsOf(kind, target, this.#topology).some((part) => parts.has(part));
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, place: random.next() }))
    .sort((one, other) => one.place - other.place)
    .map(({ item }) => item);
}
