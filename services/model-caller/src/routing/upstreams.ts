/** The upstreams of a model, as one process may ask them. */
import { ApiError } from '@tailrace/protocol';
import {
  type RegisteredModel,
  type RegisteredUpstream,
  type RegistryView,
  type Sealer,
  type TokenPrice,
  UnsealError,
} from '@tailrace/registry';
import type { CallTimeouts } from '../call-clock.ts';
import { DIALECTS } from '../dialect.ts';
import type { UpstreamTarget } from '../upstream.ts';

/** An upstream that can be asked. */
export interface Candidate {
  /** Tells it from all others, in every model: what is known of its health is kept under this. */
  id: string;
  target: UpstreamTarget;
  timeouts: CallTimeouts;
  priority: number;
  weight: number;
  /** The most calls at once of this process; null for no limit. */
  concurrency: number | null;
  price: TokenPrice | null;
}

/** Where a model is served, and when another upstream is asked instead. */
export interface Upstreams {
  model: string;
  /** At least one. */
  candidates: readonly Candidate[];
  /** The statuses that another upstream is asked after. */
  failoverStatuses: ReadonlySet<number>;
}

/** The upstreams of each model that is registered, with their secrets opened once. */
export class UpstreamBook {
  readonly #sealer: Sealer;
  readonly #timeouts: CallTimeouts;
  /** They go with the snapshot of the registry that they are from. */
  readonly #opened = new WeakMap<RegisteredModel, Upstreams>();

  /** `timeouts` hold where an upstream has none of its own. */
  constructor(sealer: Sealer, timeouts: CallTimeouts) {
    this.#sealer = sealer;
    this.#timeouts = timeouts;
  }

  /** Where a model is, or why it cannot be called. */
  of(view: RegistryView | undefined, model: string): Upstreams | ApiError {
    const registered = view?.models.get(model);
    if (!registered || registered.upstreams.length === 0) return new ApiError('model_unavailable', { model });
    const known = this.#opened.get(registered);
    if (known) return known;
    try {
      const candidates = registered.upstreams.map((upstream) => candidateOf(upstream, this.#sealer, this.#timeouts));
      const upstreams = { model, candidates, failoverStatuses: new Set(registered.failoverStatuses) };
      this.#opened.set(registered, upstreams);
      return upstreams;
    } catch (error) {
      if (error instanceof UnsealError) return new ApiError('secret_unreadable', { name: model }, { cause: error });
      throw error;
    }
  }
}

function candidateOf(upstream: RegisteredUpstream, sealer: Sealer, timeouts: CallTimeouts): Candidate {
  const { baseUrl, apiKey, model, dialect, priority, weight, concurrency, price } = upstream;
  const own = upstream.timeouts;
  return {
    // Another key is another account: what one was told says nothing of the other.
    id: JSON.stringify([baseUrl, model, dialect, apiKey]),
    target: { baseUrl, apiKey: apiKey === null ? null : sealer.open(apiKey), model, dialect: DIALECTS[dialect] },
    timeouts: {
      connectMs: own.connectMs ?? timeouts.connectMs,
      firstTokenMs: own.firstTokenMs ?? timeouts.firstTokenMs,
      idleMs: own.idleMs ?? timeouts.idleMs,
      totalMs: own.totalMs ?? timeouts.totalMs,
    },
    priority,
    weight,
    concurrency,
    price,
  };
}
