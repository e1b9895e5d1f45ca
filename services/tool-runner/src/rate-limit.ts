/**
 * How many calls of a source may begin in a minute, in all processes together. JetStream counts: each call is a message in a
 * stream of the source that holds as many as are allowed, each for a minute, and takes no more. So there is one clock, the
 * server's, and in no minute there are more.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { type Bus, PublishRejected, replicasFor, token } from '@tailrace/bus';

const MINUTE_MS = 60_000;
/** JetStream's `err_code` for a stream that is full. */
const FULL = 10_077;
/** What a full stream waits beyond its oldest message, at least and at random: not all processes shall ask at once. */
const PATIENCE_MS = { least: 10, random: 90, unknown: 500, most: 5_000 };

/** See the file's head. */
export class RateLimits {
  readonly #bus: Bus;
  readonly #windowMs: number;
  /** The limit that each source's stream is known to have. */
  readonly #made = new Map<string, number>();

  constructor(bus: Bus, windowMs = MINUTE_MS) {
    this.#bus = bus;
    this.#windowMs = windowMs;
  }

  /** Resolves when a call of the source may begin, and counts it. Rejects when `signal` is aborted. */
  async take(source: string, perMinute: number, signal: AbortSignal): Promise<void> {
    const name = token(source);
    for (;;) {
      signal.throwIfAborted();
      if (this.#made.get(name) !== perMinute) await this.#make(name, perMinute);
      if (await this.#count(name)) return;
      await sleep(await this.#untilFree(name), undefined, { signal });
    }
  }

  async #count(name: string): Promise<boolean> {
    try {
      await this.#bus.publisher.publish(subjectOf(name), new Uint8Array());
      return true;
    } catch (error) {
      if (error instanceof PublishRejected && error.errCode === FULL) return false;
      // A server that lost the stream is told of it again, the next time.
      this.#made.delete(name);
      throw error;
    }
  }

  /** Milliseconds until the oldest call is more than a minute ago, by the server's clock. */
  async #untilFree(name: string): Promise<number> {
    const info: StreamInfo & { ts?: string } = await this.#bus.jsm.streams.info(streamOf(name));
    const now = info.ts === undefined ? Number.NaN : Date.parse(info.ts);
    const left = Date.parse(info.state.first_ts) + this.#windowMs - now;
    // Servers before 2.10 do not tell the time.
    const wait = Number.isNaN(left) ? PATIENCE_MS.unknown : Math.max(0, Math.min(left, PATIENCE_MS.most));
    return PATIENCE_MS.least + wait + Math.random() * PATIENCE_MS.random;
  }

  async #make(name: string, perMinute: number): Promise<void> {
    const changeable = { subjects: [subjectOf(name)], max_msgs: perMinute, max_age: nanos(this.#windowMs) };
    try {
      await this.#bus.jsm.streams.update(streamOf(name), changeable);
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound) throw error;
      await this.#bus.jsm.streams.add({
        ...changeable,
        name: streamOf(name),
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.New,
        // A minute is forgotten soon enough.
        storage: StorageType.Memory,
        num_replicas: replicasFor(this.#bus),
      });
    }
    this.#made.set(name, perMinute);
  }
}

const streamOf = (name: string): string => `TR_RATE_${name}`;
const subjectOf = (name: string): string => `tr.rate.${name}`;
