import type { RegistryView } from '@tailrace/registry';
import type { RateStreams } from './rate-streams.ts';

/** What a {@link RateCleaner} works with. */
export interface RateCleanerOptions {
  streams: Pick<RateStreams, 'removeUnused'>;
  /** The registry at this moment; undefined while there is none. */
  registry(): RegistryView | undefined;
  /** Milliseconds between two looks at the registry. A minute by default: within one, what was counted before is forgotten. */
  everyMs?: number;
  onError(error: unknown): void;
}

/** Has the streams of rates removed whose tools have gone, or have no rate any more, after the registry has changed. */
export class RateCleaner {
  readonly #options: RateCleanerOptions;
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;
  /** The registry after which nothing was left to do. */
  #clean: RegistryView | undefined;

  constructor(options: RateCleanerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
    }, options.everyMs ?? 60_000);
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { streams, registry, onError } = this.#options;
    const view = registry();
    if (!view || view === this.#clean) return;
    try {
      const left = await streams.removeUnused(() => limitedSources(registry() ?? view));
      if (left === 0) this.#clean = view;
    } catch (error) {
      onError(error);
    }
  }
}

/** The sources whose calls are counted. Agents are no calls, and servers that requests name have no rate. */
function limitedSources(view: RegistryView): ReadonlySet<string> {
  const limited = [...view.tools.values()].filter(
    ({ kind, callsPerMinute }) => kind !== 'agent' && callsPerMinute !== null,
  );
  return new Set(limited.map(({ name }) => name));
}
