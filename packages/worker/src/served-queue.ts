import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, QueueConsumer, type QueueConsumerOptions } from '@tailrace/bus';

/** Milliseconds before something that failed is tried again; doubled each time. */
const RETRY_MS = { first: 200, most: 5_000 };

/** What a queue is worked on with; what fails is told to `onTrouble`, and tried again. */
export interface ServedQueueOptions extends QueueConsumerOptions {
  onTrouble(error: unknown): void;
}

/** A queue that is worked on, with the limit that its source has at every moment. What is under way is left alone. */
export class ServedQueue {
  readonly #consumer: QueueConsumer;
  readonly #options: ServedQueueOptions;
  readonly #tried = Promise.withResolvers<void>();
  #wanted: number;
  #inForce: number | undefined;
  #following: Promise<void> | undefined;
  #stopping = false;

  constructor(bus: Bus, options: ServedQueueOptions) {
    this.#options = options;
    this.#wanted = options.maxAckPending;
    this.#consumer = new QueueConsumer(bus, options);
    this.#follow();
  }

  /** How many messages are under way in this process. */
  get active(): number {
    return this.#consumer.active;
  }

  /** Resolves when the queue is being worked on, or a first try has failed. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  /** Changes how many messages may be under way at once, in all processes together. */
  limitTo(maxAckPending: number): void {
    this.#wanted = maxAckPending;
    this.#follow();
  }

  /** As {@link QueueConsumer} does. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.#tried.resolve();
    await this.#consumer.stop(deadlineMs);
  }

  #follow(): void {
    if (this.#inForce !== this.#wanted) this.#following ??= this.#bring();
  }

  async #bring(): Promise<void> {
    for (let wait = RETRY_MS.first; this.#inForce !== this.#wanted && !this.#stopping; ) {
      const wanted = this.#wanted;
      try {
        await this.#consumer.limitTo(wanted);
        if (this.#inForce === undefined) await this.#consumer.start();
        this.#inForce = wanted;
      } catch (error) {
        if (this.#stopping) break;
        this.#options.onTrouble(error);
      }
      this.#tried.resolve();
      if (this.#inForce === wanted) continue;
      await sleep(wait, undefined, { ref: false });
      wait = Math.min(2 * wait, RETRY_MS.most);
    }
    this.#following = undefined;
  }
}
