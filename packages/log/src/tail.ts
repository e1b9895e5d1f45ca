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
import { type Bus, partitionOf, payloadOf, tailSubject } from '@tailrace/bus';
import type { ResponseId } from '@tailrace/protocol';
import type { LogTarget } from './append.ts';
import { readEnd } from './end.ts';
import { decodeMeta, type LogMeta } from './message.ts';
import { type LogMessage, readLog } from './read.ts';

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
  | { type: 'message'; message: LogMessage }
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
    let at = 0;
    let behind = !fresh;
    try {
      for (;;) {
        if (behind) {
          behind = false;
          try {
            for await (const message of readLog(target, at)) {
              at = message.streamSeq;
              yield { type: 'message', message };
              if (message.meta.ended !== null) return;
            }
          } catch (error) {
            this.#options.onError(error, id);
            await sleep(RETRY_MS);
            behind = true;
            continue;
          }
          if (at === 0) yield { type: 'empty' };
        }
        const live = await queue.next(idleMs);
        if (live === 'closed') return;
        if (live === 'lost') behind = true;
        else if (live === 'idle') {
          if ((await this.#endOf(target)) > at) behind = true;
          else yield at === 0 ? { type: 'empty' } : { type: 'idle' };
        } else if (live.seq > at) {
          if (live.previous !== at) {
            behind = true;
            continue;
          }
          const bytes = await payloadOf(bus, live.msg);
          at = live.seq;
          yield { type: 'message', message: { streamSeq: live.seq, meta: live.meta, bytes } };
          if (live.meta.ended !== null) return;
        }
      }
    } finally {
      close();
    }
  }

  /** A stream that cannot be asked has nothing new to tell; the next look will. */
  async #endOf(target: LogTarget): Promise<number> {
    try {
      return (await readEnd(target))?.streamSeq ?? 0;
    } catch (error) {
      this.#options.onError(error, target.id);
      return 0;
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
    const subscription = this.#options.bus.nc.subscribe(subject, {
      callback: (error, msg) => {
        if (error) return;
        const live = toLive(msg);
        for (const each of queues) each.push(live);
      },
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
