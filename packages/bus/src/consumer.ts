import {
  AckPolicy,
  type Consumer,
  type ConsumerConfig,
  DeliverPolicy,
  JetStreamApiError,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import type { Bus } from './connection.ts';

/** A durable pull consumer on a work queue. */
export interface QueueConsumerOptions {
  stream: string;
  durable: string;
  filter: string;
  /** The most messages under way at once, in all processes together: the concurrency limit. */
  maxAckPending: number;
  /** Milliseconds without a sign of life after which a message is given to another process. */
  ackWaitMs: number;
  maxDeliver: number;
  /** The most messages under way at once in this process. */
  limit: number;
  /**
   * Works on one message. Resolving acknowledges it; throwing hands it back after `redeliverMs`. `signal` is aborted when
   * the process has no time left.
   */
  handle(message: JsMsg, signal: AbortSignal): Promise<void>;
  onError(error: unknown, message: JsMsg | null): void;
  redeliverMs: number;
}

/** The most pull requests that one process has waiting at the server. */
const WAITING_PULLS = 8;
const PULL_EXPIRES_MS = 10_000;

/**
 * A loop over a work queue: it asks for a message only when it has a free hand for it, so nothing waits in the process
 * while its time runs out, and tells the server that it is still at work.
 */
export class QueueConsumer {
  readonly #bus: Bus;
  readonly #options: QueueConsumerOptions;
  readonly #abort = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #pulls = new Set<Promise<void>>();
  #stopping = false;
  #wake: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  constructor(bus: Bus, options: QueueConsumerOptions) {
    this.#bus = bus;
    this.#options = options;
  }

  /** How many messages are under way in this process. */
  get active(): number {
    return this.#running.size;
  }

  /** Makes the consumer when it is not there, and begins. */
  async start(): Promise<void> {
    await this.#ensure();
    this.#loop = this.#run();
  }

  /** Takes no more messages; waits for those under way up to `deadlineMs`, then aborts them, and they go to others. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    await this.#loop;
    const timer = setTimeout(() => this.#abort.abort(), deadlineMs);
    await Promise.allSettled([...this.#running]);
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    let consumer: Consumer | undefined;
    while (!this.#stopping) {
      try {
        consumer ??= await this.#bus.js.consumers.get(this.#options.stream, this.#options.durable);
        while (!this.#stopping && this.#canPull()) this.#pull(consumer);
        await this.#change();
      } catch (error) {
        consumer = undefined;
        this.#options.onError(error, null);
        await this.#recover();
      }
    }
  }

  /** The consumer may have gone with the server's data: it is made again before anything is asked of it. */
  async #recover(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 250));
    if (this.#stopping) return;
    try {
      await this.#ensure();
    } catch (error) {
      this.#options.onError(error, null);
    }
  }

  #canPull(): boolean {
    return this.#pulls.size < WAITING_PULLS && this.#pulls.size + this.#running.size < this.#options.limit;
  }

  #failed: unknown;

  #pull(consumer: Consumer): void {
    const pull = consumer
      .next({ expires: PULL_EXPIRES_MS })
      .then((message) => {
        if (message === null) return;
        if (this.#stopping) message.nak();
        else this.#begin(message);
      })
      .catch((error: unknown) => {
        this.#failed = error;
      })
      .finally(() => {
        this.#pulls.delete(pull);
        this.#wake?.();
      });
    this.#pulls.add(pull);
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#stopping || this.#canPull()) resolve();
    });
    this.#wake = undefined;
    const failed = this.#failed;
    this.#failed = undefined;
    if (failed !== undefined) throw failed;
  }

  #begin(message: JsMsg): void {
    const running = this.#work(message).finally(() => {
      this.#running.delete(running);
      this.#wake?.();
    });
    this.#running.add(running);
  }

  async #work(message: JsMsg): Promise<void> {
    const alive = setInterval(() => message.working(), Math.max(100, this.#options.ackWaitMs / 3));
    try {
      await this.#options.handle(message, this.#abort.signal);
      message.ack();
    } catch (error) {
      this.#options.onError(error, message);
      message.nak(this.#stopping ? undefined : this.#options.redeliverMs);
    } finally {
      clearInterval(alive);
    }
  }

  async #ensure(): Promise<void> {
    const { stream, durable, filter, maxAckPending, ackWaitMs, maxDeliver } = this.#options;
    const config: Partial<ConsumerConfig> = {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      filter_subject: filter,
      ack_wait: nanos(ackWaitMs),
      max_deliver: maxDeliver,
      max_ack_pending: maxAckPending,
      max_waiting: 4096,
    };
    try {
      await this.#bus.jsm.consumers.info(stream, durable);
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
      await this.#bus.jsm.consumers.add(stream, config);
      return;
    }
    await this.#bus.jsm.consumers.update(stream, durable, config);
  }
}
