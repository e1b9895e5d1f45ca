/**
 * The tail: one core subscription for each response that somebody in this process follows, shared by all its followers.
 *
 * A follower sees every message of the log once, in order, from the first. What is live comes from the subscription; what
 * was stored before, and whatever a slow follower, a lost connection or a dropped message left out, is read from the
 * stream. The two are joined by stream sequence: a live message is taken only if its predecessor in the log is the last
 * one the follower has seen.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Msg, Subscription } from '@nats-io/nats-core';
import { type Bus, partitionOf, subscribe, tailSubject } from '@tailrace/bus';
import type { ResponseId } from '@tailrace/protocol';
import type { LogTarget } from './append.ts';
import { readEnd } from './end.ts';
import { decodeMeta, type LogMeta } from './message.ts';
import { type LazyLogMessage, lazily, readLogLazily } from './read.ts';

/** How a process follows logs. */
export interface TailHubOptions {
  bus: Bus;
  partitions: number;
  /** Bytes of live messages that wait for one follower; what is beyond is read from the stream later. */
  queueBytes: number;
  /** Milliseconds without a message after which the stream is asked whether there is really none. */
  idleMs: number;
  /** A read of the stream failed; it is tried again. */
  onError(error: unknown, id: ResponseId): void;
}

/** What a follower sees. */
export type TailEvent =
  | { type: 'message'; message: LazyLogMessage }
  /** The stream holds nothing of this log: it has not begun, or is gone. */
  | { type: 'empty' }
  /** Nothing came for `idleMs`, and nothing was missed. */
  | { type: 'idle' };

/** One reader of one log. */
export interface Follower {
  /**
   * The log from its first message to the one that ends it. Iterate once; leaving the loop closes the follower.
   * `fresh` says that nothing had been appended when the follower was made, which spares the read of the stream.
   */
  events(options: { fresh: boolean }): AsyncGenerator<TailEvent, void>;
  /** Bytes of live messages that wait to be taken. */
  readonly waitingBytes: number;
  /** Leaves the live messages to others: from now on the stream alone is read, each time `idleMs` have passed. */
  detach(): void;
  /** Lets go of everything; whoever iterates comes to an end. */
  close(): void;
}

const RETRY_MS = 500;

interface Live {
  seq: number;
  previous: number;
  meta: LogMeta;
  msg: Msg;
}

/** See the file's head. */
export class TailHub {
  readonly #options: TailHubOptions;
  readonly #tails = new Map<ResponseId, { subscription: Subscription; queues: Set<LiveQueue> }>();
  readonly #stopListening: () => void;

  constructor(options: TailHubOptions) {
    this.#options = options;
    this.#stopListening = options.bus.onReconnect(() => {
      for (const tail of this.#tails.values()) for (const queue of tail.queues) queue.loseTrack();
    });
  }

  /** How many logs are being followed. */
  get size(): number {
    return this.#tails.size;
  }

  /** Follows a log; what is appended from now on will be seen. */
  follow(id: ResponseId): Follower {
    const queue = new LiveQueue(this.#options.queueBytes);
    this.#join(id, queue);
    const close = () => {
      this.#leave(id, queue);
      queue.close();
    };
    return {
      events: ({ fresh }) => this.#events(id, queue, fresh, close),
      get waitingBytes() {
        return queue.bytes;
      },
      detach: () => this.#leave(id, queue),
      close,
    };
  }

  close(): void {
    this.#stopListening();
    for (const tail of this.#tails.values()) tail.subscription.unsubscribe();
    this.#tails.clear();
  }

  async *#events(id: ResponseId, queue: LiveQueue, fresh: boolean, close: () => void): AsyncGenerator<TailEvent, void> {
    const { bus, partitions, idleMs } = this.#options;
    const target: LogTarget = { bus, partition: partitionOf(id, partitions), id };
    const place = new Place();
    let behind = !fresh;
    try {
      for (;;) {
        if (behind) {
          behind = false;
          try {
            for await (const message of readLogLazily(target, place.at)) {
              if (place.seen(message.meta)) continue;
              if (!place.follows(message.meta)) {
                // The log that was followed is gone, and another one stands in its place: it is read from its beginning.
                place.restart();
                behind = true;
                break;
              }
              place.take(message.streamSeq, message.meta);
              yield { type: 'message', message };
              if (message.meta.ended !== null) return;
            }
          } catch (error) {
            this.#options.onError(error, id);
            await sleep(RETRY_MS);
            behind = true;
          }
          if (behind) continue;
          if (place.at === 0) yield { type: 'empty' };
        }
        const live = await queue.next(idleMs);
        if (live === 'closed') return;
        if (live === 'lost') behind = true;
        else if (live === 'idle') {
          const end = await this.#endOf(target, place.at);
          if (end < place.at) place.restart();
          if (end !== place.at || place.at === 0) behind = true;
          else yield { type: 'idle' };
        } else if (live.previous === place.at && place.follows(live.meta)) {
          place.take(live.seq, live.meta);
          yield { type: 'message', message: lazily(bus, live.seq, live.meta, live.msg) };
          if (live.meta.ended !== null) return;
        } else if (!place.seen(live.meta)) behind = true;
      }
    } finally {
      close();
    }
  }

  /** A stream that cannot be asked has nothing new to tell; the next look will. */
  async #endOf(target: LogTarget, at: number): Promise<number> {
    try {
      return (await readEnd(target))?.streamSeq ?? 0;
    } catch (error) {
      this.#options.onError(error, target.id);
      return at;
    }
  }

  #join(id: ResponseId, queue: LiveQueue): void {
    const tail = this.#tails.get(id);
    if (tail) {
      tail.queues.add(queue);
      return;
    }
    const queues = new Set([queue]);
    const subject = tailSubject(partitionOf(id, this.#options.partitions), id);
    const subscription = subscribe(this.#options.bus, subject, (msg) => {
      const live = toLive(msg);
      for (const each of queues) each.push(live);
    });
    this.#tails.set(id, { subscription, queues });
  }

  #leave(id: ResponseId, queue: LiveQueue): void {
    const tail = this.#tails.get(id);
    if (!tail?.queues.delete(queue) || tail.queues.size > 0) return;
    tail.subscription.unsubscribe();
    this.#tails.delete(id);
  }
}

/** How far a follower has come: in the stream, and in the numbers of the events. */
class Place {
  #at = 0;
  /** The number of the next event; undefined before the first message. */
  #next: number | undefined;
  /** The log has begun anew, with higher numbers. */
  #restarted = false;

  /** The stream sequence of the last message; 0 at the beginning. */
  get at(): number {
    return this.#at;
  }

  /** Whether a message holds nothing that has not been seen. */
  seen(meta: LogMeta): boolean {
    return this.#next !== undefined && meta.last >= meta.first && meta.last < this.#next;
  }

  /** Whether nothing stands between what was seen and this message. */
  follows(meta: LogMeta): boolean {
    return this.#next === undefined || this.#restarted || meta.first === this.#next;
  }

  take(streamSeq: number, meta: LogMeta): void {
    this.#at = streamSeq;
    this.#next = meta.last + 1;
    this.#restarted = false;
  }

  restart(): void {
    this.#at = 0;
    this.#restarted = true;
  }
}

function toLive(msg: Msg): Live {
  return {
    seq: Number(msg.headers?.get('Nats-Sequence')),
    previous: Number(msg.headers?.get('Nats-Last-Sequence')),
    meta: decodeMeta(msg.headers),
    msg,
  };
}

/** The live messages that wait for one follower, bounded in bytes (I8). */
class LiveQueue {
  readonly #limit: number;
  #messages: Live[] = [];
  #bytes = 0;
  #lost = false;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(live: Live): void {
    if (this.#lost) return;
    if (this.#bytes + live.msg.data.length > this.#limit && this.#messages.length > 0) {
      this.loseTrack();
      return;
    }
    this.#messages.push(live);
    this.#bytes += live.msg.data.length;
    this.#wake?.();
  }

  /** Lets go of everything: the follower must read the stream. */
  loseTrack(): void {
    this.#messages = [];
    this.#bytes = 0;
    this.#lost = true;
    this.#wake?.();
  }

  /** Whoever waits is told that nothing more will come. */
  close(): void {
    this.#closed = true;
    this.#messages = [];
    this.#wake?.();
  }

  async next(idleMs: number): Promise<Live | 'lost' | 'idle' | 'closed'> {
    if (!this.#lost && !this.#closed && this.#messages.length === 0) await this.#arrival(idleMs);
    if (this.#closed) return 'closed';
    if (this.#lost) {
      this.#lost = false;
      return 'lost';
    }
    const live = this.#messages.shift();
    if (!live) return 'idle';
    this.#bytes -= live.msg.data.length;
    return live;
  }

  async #arrival(idleMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, idleMs);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }
}
