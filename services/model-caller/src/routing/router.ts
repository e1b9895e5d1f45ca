/** What a process knows of the upstreams that it asks: who is well, and who is busy. */
import { ApiError } from '@tailrace/protocol';
import { chooseCandidate, type Standing } from './choice.ts';
import { callBegins, callEnds, type Health, type HealthPolicy, type Verdict, WELL } from './health.ts';
import type { Candidate } from './upstreams.ts';

/** How a router decides. */
export interface RouterOptions extends HealthPolicy {
  /** Milliseconds that a call waits for an upstream with room for it. */
  queueMs: number;
  now?: () => number;
  /** From 0 to 1, without 1. */
  random?: () => number;
}

/** A call that an upstream has been given to. */
export interface Lease {
  candidate: Candidate;
  /** The call has ended. */
  end(verdict: Verdict): void;
}

interface Known {
  health: Health;
  active: number;
}

/** Upstreams that have been told of, before those that rest and that nobody asks any more are forgotten. */
const REMEMBERED = 1_000;

/** See the file's head. */
export class Router {
  readonly #options: RouterOptions;
  readonly #now: () => number;
  readonly #random: () => number;
  /** Those that are busy or not well; the others have nothing to be remembered. */
  readonly #known = new Map<string, Known>();
  readonly #waiting = new Set<() => void>();

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? Math.random;
  }

  /**
   * Gives the call to one of these, as soon as one has room.
   * @throws ApiError `upstream_busy` when none has in time; the reason of `signal`.
   */
  async take(candidates: readonly Candidate[], signal: AbortSignal): Promise<Lease> {
    const { queueMs } = this.#options;
    const deadline = this.#now() + queueMs;
    for (;;) {
      signal.throwIfAborted();
      const candidate = chooseCandidate(
        candidates.map((each) => this.#standing(each)),
        this.#now(),
        this.#random(),
      );
      if (candidate !== null) return this.#lease(candidate);
      if (this.#now() >= deadline) throw new ApiError('upstream_busy', { ms: queueMs });
      await this.#change(deadline, signal);
    }
  }

  #standing(candidate: Candidate): Standing {
    const { health, active } = this.#known.get(candidate.id) ?? { health: WELL, active: 0 };
    return { candidate, health, active };
  }

  #lease(candidate: Candidate): Lease {
    const { id } = candidate;
    const known = this.#known.get(id) ?? { health: WELL, active: 0 };
    const { health, probe } = callBegins(known.health, this.#now());
    this.#known.set(id, known);
    known.health = health;
    known.active += 1;
    let ended = false;
    return {
      candidate,
      end: (verdict) => {
        if (ended) return;
        ended = true;
        const chance = { now: this.#now(), random: this.#random() };
        known.health = callEnds(known.health, { probe, verdict }, this.#options, chance);
        known.active -= 1;
        if (known.active === 0 && known.health.until === null && known.health.failures === 0) this.#known.delete(id);
        this.#forget();
        for (const wake of this.#waiting) wake();
      },
    };
  }

  /** Upstreams leave the registry, and nobody says so here. */
  #forget(): void {
    if (this.#known.size <= REMEMBERED) return;
    for (const [id, { active }] of this.#known) {
      if (active > 0) continue;
      this.#known.delete(id);
      return;
    }
  }

  /** Resolves when a call has ended, when an upstream has rested, and when it is too late. */
  async #change(deadline: number, signal: AbortSignal): Promise<void> {
    const now = this.#now();
    const rests = [...this.#known.values()].flatMap(({ health: { until } }) =>
      until !== null && until > now ? until : [],
    );
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.max(1, Math.min(deadline, ...rests) - now));
      signal.addEventListener('abort', wake, { once: true });
      this.#waiting.add(wake);
    });
  }
}
