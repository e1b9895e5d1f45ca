import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { AckPolicy, type ConsumerConfig, DeliverPolicy, JetStreamApiError } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import type { Bus } from './connection.ts';
import { contested } from './contested.ts';
import { PauseWatch } from './pause-watch.ts';
import { dropPayload, payloadSize } from './payload.ts';
import { Pull } from './pull.ts';
import type { QueueMessage } from './queue-message.ts';

/** A durable pull consumer on a work queue. */
export interface QueueConsumerOptions {
  stream: string;
  durable: string;
  filter: string;
  /** The most messages under way at once, in all processes together: the concurrency limit. See {@link QueueConsumer.limitTo}. */
  maxAckPending: number;
  /** Milliseconds without a sign of life after which a message is given to another process. */
  ackWaitMs: number;
  maxDeliver: number;
  /** The most messages under way at once in this process. */
  limit: number;
  /**
   * Works on one message. Resolving acknowledges it; throwing hands it back after `redeliverMs`, but {@link StaleDelivery}
   * leaves it to whoever has it. `signal` is aborted when the process has no time left.
   */
  handle(message: QueueMessage, signal: AbortSignal): Promise<void>;
  onError(error: unknown, message: QueueMessage | null): void;
  /** Milliseconds before a message that failed is tried again; doubled each time, up to `redeliverMaxMs`. */
  redeliverMs: number;
  redeliverMaxMs: number;
}

/** The queue of a consumer could not be served for a moment; it is being looked after. */
export class QueueTrouble extends Error {
  constructor(durable: string, reason: string) {
    super(`consumer ${durable}: ${reason}`);
    this.name = 'QueueTrouble';
  }
}

/**
 * The message is somebody else's by now. Nothing must be said of it: an answer to an old delivery counts for the new one.
 */
export class StaleDelivery extends Error {
  constructor(subject: string, cause?: unknown) {
    super(`${subject} has been given to somebody else`, { cause });
    this.name = 'StaleDelivery';
  }
}

/** The message had not been begun when its queue was closed: it goes to another process. */
class QueueClosed extends Error {
  constructor(durable: string) {
    super(`consumer ${durable} is closed`);
    this.name = 'QueueClosed';
  }
}

const RECOVER_MS = { first: 100, most: 2_000 };

/**
 * Works on a queue. It takes a message only when it has a free hand for it, so nothing waits in the process while its time
 * runs out, and tells the server that it is still at work.
 */
export class QueueConsumer {
  readonly #bus: Bus;
  readonly #options: QueueConsumerOptions;
  readonly #abort = new AbortController();
  /** Aborted when no more messages are begun. */
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #pauses: PauseWatch;
  #pull: Pull | undefined;
  #stopListening: () => void = () => undefined;
  #recovering: Promise<void> | undefined;
  #maxAckPending: number;
  #stopping = false;

  constructor(bus: Bus, options: QueueConsumerOptions) {
    this.#bus = bus;
    this.#options = options;
    this.#maxAckPending = options.maxAckPending;
    this.#pauses = new PauseWatch(options.ackWaitMs / 2);
  }

  /** How many messages are under way in this process. */
  get active(): number {
    return this.#running.size;
  }

  /** Makes the consumer when it is not there, and begins. */
  async start(): Promise<void> {
    await contested(() => this.#ensure());
    if (this.#stopping) return;
    const { stream, durable, limit } = this.#options;
    this.#pull = new Pull(this.#bus, {
      stream,
      durable,
      // What can only wait is better off with another process.
      free: () => (this.#bus.room.full ? 0 : limit - this.#running.size),
      onMessage: (message) => this.#begin(message),
      onTrouble: (reason) => {
        this.#options.onError(new QueueTrouble(durable, reason), null);
        this.#recovering ??= this.#recover();
      },
    });
    this.#pull.ask();
    this.#stopListening = this.#bus.room.onRoom(() => this.#pull?.ask());
  }

  /**
   * Changes the concurrency limit, before the start or after it. What is under way goes on: where it is more than that,
   * nothing is delivered until enough of it has come to its end.
   */
  async limitTo(maxAckPending: number): Promise<void> {
    this.#maxAckPending = maxAckPending;
    if (this.#pull) await contested(() => this.#ensure());
  }

  /** Takes no more messages; waits for those under way up to `deadlineMs`, then aborts them, and they go to others. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.#stopListening();
    this.#pull?.close();
    this.#closing.abort(new QueueClosed(this.#options.durable));
    this.#pauses.close();
    await this.#recovering;
    const timer = setTimeout(() => this.#abort.abort(), deadlineMs);
    await Promise.allSettled([...this.#running]);
    clearTimeout(timer);
    // What was said last must have left before anybody closes the connection.
    if (this.#bus.connected()) await this.#bus.nc.flush();
  }

  /** The consumer, and its stream, may have gone with the server's data: both are made again before anything is asked. */
  async #recover(): Promise<void> {
    for (let wait = RECOVER_MS.first; !this.#stopping; wait = Math.min(wait * 2, RECOVER_MS.most)) {
      await sleep(wait);
      try {
        await this.#bus.prepare();
        await this.#ensure();
        break;
      } catch (error) {
        this.#options.onError(error, null);
      }
    }
    this.#recovering = undefined;
    if (!this.#stopping) this.#pull?.resume();
  }

  #begin(message: QueueMessage): void {
    if (this.#stopping) {
      message.nak();
      return;
    }
    const running = this.#work(message).finally(() => {
      this.#running.delete(running);
      if (!this.#stopping) this.#pull?.ask();
    });
    this.#running.add(running);
  }

  async #work(message: QueueMessage): Promise<void> {
    const alive = setInterval(() => message.working(), Math.max(100, this.#options.ackWaitMs / 3));
    let leave = () => {};
    try {
      leave = await this.#bus.room.enter(payloadSize(message), this.#closing.signal);
      await this.#checkFresh(message);
      await this.#options.handle(message, this.#abort.signal);
      message.ack();
      await dropPayload(this.#bus, message);
    } catch (error) {
      if (!(error instanceof QueueClosed)) this.#options.onError(error, message);
      if (error instanceof StaleDelivery) return;
      message.nak(this.#stopping ? undefined : this.#backoff(message.deliveryCount));
    } finally {
      leave();
      clearInterval(alive);
    }
  }

  #backoff(deliveries: number): number {
    const { redeliverMs, redeliverMaxMs } = this.#options;
    return Math.min(redeliverMaxMs, redeliverMs * 2 ** Math.min(deliveries - 1, 20));
  }

  /** After the process has stood still, a message may be one that others have worked on, and finished, meanwhile. */
  async #checkFresh(message: QueueMessage): Promise<void> {
    if (!this.#pauses.stoodStill(this.#options.ackWaitMs)) return;
    const { stream } = this.#options;
    const stored = await this.#bus.jsm.streams.getMessage(stream, { seq: message.streamSeq });
    if (stored === null) throw new StaleDelivery(message.subject);
  }

  async #ensure(): Promise<void> {
    const { stream, durable, filter, ackWaitMs, maxDeliver } = this.#options;
    const config: Partial<ConsumerConfig> = {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      filter_subject: filter,
      ack_wait: nanos(ackWaitMs),
      max_deliver: maxDeliver,
      max_ack_pending: this.#maxAckPending,
      max_waiting: 4096,
    };
    try {
      const { config: current } = await this.#bus.jsm.consumers.info(stream, durable);
      // An update is a vote of the whole cluster: not for nothing.
      if (isDeepStrictEqual({ ...current, ...config }, current)) return;
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.status !== 404) throw error;
      await this.#bus.jsm.consumers.add(stream, config);
      return;
    }
    await this.#bus.jsm.consumers.update(stream, durable, config);
  }
}
