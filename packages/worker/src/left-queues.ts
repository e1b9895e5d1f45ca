/**
 * Queues of sources that are not registered any more. A response keeps the tools and the model that it was given, so their
 * steps still come: somebody has to take them, and say that there is nobody to ask.
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import { type Bus, WORK_STREAM, type WorkSource, workDurable, workSourceOf } from '@tailrace/bus';

/** A source of work with its cluster-wide limit. */
export interface LimitedSource {
  source: WorkSource;
  concurrency: number;
}

/** The limit of a queue that nobody knows a limit of: what is done there is quick. */
const UNKNOWN_LIMIT = 1;

/** See the file's head. */
export class LeftQueues {
  readonly #bus: Bus;
  readonly #kinds: ReadonlySet<WorkSource['kind']>;
  #deserted = new Set<string>();

  constructor(bus: Bus, kinds: readonly WorkSource['kind'][]) {
    this.#bus = bus;
    this.#kinds = new Set(kinds);
  }

  /** The sources whose queues hold work, done or not, as long as it is not acknowledged; by the names of their consumers. */
  async queued(): Promise<Map<string, WorkSource>> {
    const { state } = await this.#bus.jsm.streams.info(WORK_STREAM, { subjects_filter: 'tr.work.>' });
    const sources = Object.keys(state.subjects ?? {}).map(workSourceOf);
    return new Map(
      sources
        .filter((source) => source !== undefined)
        .filter(({ kind }) => this.#kinds.has(kind))
        .map((source) => [workDurable(source), source]),
    );
  }

  /**
   * Those of these sources whose queues nobody asks for work, now and when this was last asked. What others have heard to be
   * registered is theirs: this process may only not have heard of it yet.
   */
  async deserted(sources: Iterable<WorkSource>): Promise<LimitedSource[]> {
    const before = this.#deserted;
    const now = new Set<string>();
    const found: LimitedSource[] = [];
    for (const source of sources) {
      const durable = workDurable(source);
      const { waiting, concurrency } = await this.#standing(durable);
      if (waiting) continue;
      now.add(durable);
      if (before.has(durable)) found.push({ source, concurrency });
    }
    this.#deserted = now;
    return found;
  }

  async #standing(durable: string): Promise<{ waiting: boolean; concurrency: number }> {
    try {
      const { num_waiting, config } = await this.#bus.jsm.consumers.info(WORK_STREAM, durable);
      return { waiting: num_waiting > 0, concurrency: config.max_ack_pending ?? UNKNOWN_LIMIT };
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.status !== 404) throw error;
      return { waiting: false, concurrency: UNKNOWN_LIMIT };
    }
  }
}
