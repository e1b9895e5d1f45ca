/** The streams in which calls are counted, one for each source that has a rate. */
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
/** JetStream's `err_code` for a stream that is there already, and is another one. */
const TAKEN = 10_058;
/** How often a stream is made that others make, change or remove at the same time. */
const ATTEMPTS = 3;

/** See the file's head. */
export class RateStreams {
  readonly #bus: Bus;
  readonly #windowMs: number;
  /** The limit that each source's stream is known to have. */
  readonly #made = new Map<string, number>();

  constructor(bus: Bus, windowMs = MINUTE_MS) {
    this.#bus = bus;
    this.#windowMs = windowMs;
  }

  /** Sees to it that the source's stream is there, and has this limit. */
  async prepare(source: string, perMinute: number): Promise<void> {
    if (this.#made.get(source) === perMinute) return;
    const stream = streamOf(source);
    const changeable = { subjects: [subjectOf(source)], max_msgs: perMinute, max_age: nanos(this.#windowMs) };
    for (let attempt = 1; ; attempt += 1) {
      try {
        const changed = await unlessGone(() => this.#bus.jsm.streams.update(stream, changeable));
        if (!changed) {
          await this.#bus.jsm.streams.add({
            ...changeable,
            name: stream,
            retention: RetentionPolicy.Limits,
            discard: DiscardPolicy.New,
            // A minute is forgotten soon enough.
            storage: StorageType.Memory,
            num_replicas: replicasFor(this.#bus),
          });
        }
        break;
      } catch (error) {
        // Somebody who knows of another limit has made it first.
        if (!hasCode(error, TAKEN) || attempt === ATTEMPTS) throw error;
      }
    }
    this.#made.set(source, perMinute);
  }

  /**
   * Counts a call, if there is room for one.
   * @throws PublishUncertain where there is no stream (any more); after it, {@link prepare} makes it anew.
   */
  async count(source: string): Promise<boolean> {
    try {
      await this.#bus.publisher.publish(subjectOf(source), new Uint8Array());
      return true;
    } catch (error) {
      if (error instanceof PublishRejected && error.errCode === FULL) return false;
      this.#made.delete(source);
      throw error;
    }
  }

  /** Milliseconds until the oldest call is more than a minute ago, by the server's clock; null where it does not tell. */
  async untilFree(source: string): Promise<number | null> {
    const info = await unlessGone<StreamInfo & { ts?: string }>(() => this.#bus.jsm.streams.info(streamOf(source)));
    if (!info) return 0;
    // Servers before 2.10 do not tell the time.
    const left = Date.parse(info.state.first_ts) + this.#windowMs - Date.parse(info.ts ?? '');
    return Number.isNaN(left) ? null : left;
  }

  /**
   * Deletes the streams of sources that have no rate (any more), as soon as nothing is counted in them: a source that comes
   * back within the minute goes on where it was. Any number of processes may do it at once, and one that counts in such a stream
   * after all makes it anew.
   * @param limited The sources that have a rate at the moment of the question.
   * @returns How many there are that are still counted in.
   */
  async removeUnused(limited: () => ReadonlySet<string>): Promise<number> {
    const sources = limited();
    for (const source of this.#made.keys()) if (!sources.has(source)) this.#made.delete(source);
    const used = () => new Set([...limited()].map(streamOf));
    // First all of them: the list is told in pages, which shift when something is deleted.
    const names: string[] = [];
    for await (const name of this.#bus.jsm.streams.names('tr.rate.*')) names.push(name);
    let left = 0;
    const known = used();
    for (const name of names.filter((each) => !known.has(each))) {
      const info = await unlessGone(() => this.#bus.jsm.streams.info(name));
      if (!info) continue;
      if (info.state.messages > 0) left += 1;
      else if (!used().has(name)) await unlessGone(() => this.#bus.jsm.streams.delete(name));
    }
    return left;
  }
}

/** What was done with a stream; undefined when there is none. */
async function unlessGone<T>(task: () => Promise<T>): Promise<T | undefined> {
  try {
    return await task();
  } catch (error) {
    if (hasCode(error, JetStreamApiCodes.StreamNotFound)) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}

const streamOf = (source: string): string => `TR_RATE_${token(source)}`;
const subjectOf = (source: string): string => `tr.rate.${token(source)}`;
