/** What limits the requests of a key. Orchestrators count, for all gateways together; what they refused is remembered here. */
import { LimitReached, type LimitRefusal, type RateState, type ScopeLimits } from '@tailrace/bus';
import type { RegisteredKey, RegistryWatch, UsageLimits } from '@tailrace/registry';

/** Where limits come from. */
export interface RequestLimitsOptions {
  registry: Pick<RegistryWatch, 'current'>;
  /** Of keys for which the registry says nothing; 0 is no limit. */
  requestsPerMinute: number;
  /** Milliseconds by a clock that never goes back. */
  now?: () => number;
}

interface Remembered {
  refusal: LimitRefusal;
  at: number;
}

/** See the file's head. */
export class RequestLimits {
  readonly #options: RequestLimitsOptions;
  readonly #now: () => number;
  /** By the key's entry: when the registry says something new of keys, everybody is asked about again. */
  readonly #refused = new WeakMap<RegisteredKey, Remembered>();

  constructor(options: RequestLimitsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** What limits a key: its own limits and those of its groups; nothing when it may use as much as comes. */
  of(key: RegisteredKey): ScopeLimits[] {
    const { registry, requestsPerMinute } = this.#options;
    const groups = registry.current()?.groups;
    const own = { ...key.limits, requestsPerMinute: key.limits.requestsPerMinute ?? (requestsPerMinute || null) };
    const scopes = [{ scope: `key:${key.name}`, ...own }];
    for (const name of new Set(key.groups)) {
      const group = groups?.get(name);
      if (group) scopes.push({ scope: `group:${name}`, ...group.limits });
    }
    return scopes.filter(isLimited);
  }

  /**
   * Refuses a key that has been refused and whose time has not come: a client that does not wait costs nobody but this
   * process.
   * @throws LimitReached
   */
  check(key: RegisteredKey): void {
    const before = this.#refused.get(key);
    if (!before) return;
    const again = later(before.refusal, this.#now() - before.at);
    if (again) throw new LimitReached(again);
    this.#refused.delete(key);
  }

  /** Asks whether a key may go on, and remembers when it may not. Throws what `ask` throws. */
  async ask<T>(key: RegisteredKey, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof LimitReached) this.#refused.set(key, { refusal: error.refusal, at: this.#now() });
      throw error;
    }
  }
}

function isLimited(limits: UsageLimits): boolean {
  return limits.requestsPerMinute !== null || limits.tokensPerMinute !== null || limits.concurrency !== null;
}

/** A refusal as it is after a while; undefined when it may not hold any more. */
function later({ rule, waitMs, rateLimit }: LimitRefusal, elapsedMs: number): LimitRefusal | undefined {
  if (waitMs === null || waitMs <= elapsedMs) return undefined;
  const since = (state: RateState | null) => state && { ...state, resetMs: Math.max(0, state.resetMs - elapsedMs) };
  const limits = { requests: since(rateLimit.requests), tokens: since(rateLimit.tokens) };
  return { rule, rateLimit: limits, waitMs: waitMs - elapsedMs };
}
