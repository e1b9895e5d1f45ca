/**
 * The pull side of a durable consumer: it asks the server for just as many messages as there are free hands for, through
 * one inbox. When the inbox is closed the server delivers nothing to it any more, not even what had been asked for.
 */
import { createInbox, type Msg, nanos, type Subscription } from '@nats-io/nats-core';
import type { Bus } from './connection.ts';
import { QueueMessage } from './queue-message.ts';
import { subscribe } from './subscribe.ts';

/** What is asked for, and who hears of it. */
export interface PullOptions {
  stream: string;
  durable: string;
  /** How many more messages can be taken at this moment. */
  free(): number;
  onMessage(message: QueueMessage): void;
  /** The consumer does not answer, or is not there: it must be looked after before more is asked for. */
  onTrouble(reason: string): void;
}

/** The most messages that one request asks for: small, so that the server shares them out among processes. */
const BATCH = 2;
/** The most messages that may be asked for and not there yet. */
const MOST_ASKED = 8;
/** Short: a frozen process's requests are answered until they expire, and what goes there is lost for `ack_wait`. */
const EXPIRES_MS = 3_000;
const HEARTBEAT_MS = 1_000;
/** Without a word for this long, nobody holds any request any more. */
const SILENCE_MS = 4_000;

interface Request {
  left: number;
  /** By the monotonic clock, as all times here. */
  expiresAt: number;
}

const STATUS = { heartbeat: 100, noMessages: 404, expired: 408 } as const;

/** See the file's head. */
export class Pull {
  readonly #bus: Bus;
  readonly #options: PullOptions;
  readonly #inbox = createInbox();
  readonly #requests = new Map<string, Request>();
  readonly #subscription: Subscription;
  readonly #watch: NodeJS.Timeout;
  readonly #stopListening: () => void;
  #paused = false;
  #next = 0;
  #heardAt = performance.now();

  constructor(bus: Bus, options: PullOptions) {
    this.#bus = bus;
    this.#options = options;
    this.#subscription = subscribe(bus, `${this.#inbox}.*`, (message) => this.#receive(message));
    // The server forgets requests with the connection that made them.
    this.#stopListening = bus.onReconnect(() => {
      this.#requests.clear();
      this.ask();
    });
    this.#watch = setInterval(() => this.#check(performance.now()), HEARTBEAT_MS);
  }

  /** Asks for as much as there are free hands for. Call it whenever a hand becomes free. */
  ask(): void {
    if (this.#paused) return;
    let asked = [...this.#requests.values()].reduce((sum, { left }) => sum + left, 0);
    let wanted = Math.min(this.#options.free(), MOST_ASKED) - asked;
    while (wanted > 0) {
      const batch = Math.min(wanted, BATCH);
      this.#request(batch);
      asked += batch;
      wanted -= batch;
    }
  }

  /** Asks for nothing more until {@link resume}. */
  pause(): void {
    this.#paused = true;
    this.#requests.clear();
  }

  resume(): void {
    this.#paused = false;
    this.ask();
  }

  /** Nothing is delivered after this. */
  close(): void {
    this.#paused = true;
    clearInterval(this.#watch);
    this.#stopListening();
    this.#subscription.unsubscribe();
  }

  #request(batch: number): void {
    const id = (this.#next++).toString(36);
    const now = performance.now();
    if (this.#requests.size === 0) this.#heardAt = now;
    this.#requests.set(id, { left: batch, expiresAt: now + EXPIRES_MS + HEARTBEAT_MS });
    const { stream, durable } = this.#options;
    const body = { batch, expires: nanos(EXPIRES_MS), idle_heartbeat: nanos(HEARTBEAT_MS) };
    this.#bus.nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, JSON.stringify(body), {
      reply: `${this.#inbox}.${id}`,
    });
  }

  #receive(msg: Msg): void {
    this.#heardAt = performance.now();
    const status = statusOf(msg);
    if (status === null) {
      this.#count();
      this.#options.onMessage(new QueueMessage(msg));
      return;
    }
    if (status === STATUS.heartbeat) return;
    this.#requests.delete(msg.subject.slice(this.#inbox.length + 1));
    if (status === STATUS.expired || status === STATUS.noMessages) this.ask();
    else this.#trouble(`status ${status}`);
  }

  /**
   * A message bears its own subject, not that of the request it answers. The server answers the oldest first; where it does
   * not, the count is right again when the request expires.
   */
  #count(): void {
    const [oldest] = this.#requests;
    if (!oldest) return;
    const [id, request] = oldest;
    request.left -= 1;
    if (request.left === 0) this.#requests.delete(id);
  }

  #check(now: number): void {
    if (!this.#bus.connected()) return;
    if (this.#requests.size > 0 && now - this.#heardAt > SILENCE_MS) {
      this.#trouble('it is silent');
      return;
    }
    for (const [id, { expiresAt }] of this.#requests) if (expiresAt < now) this.#requests.delete(id);
    this.ask();
  }

  #trouble(reason: string): void {
    if (this.#paused) return;
    this.pause();
    this.#options.onTrouble(reason);
  }
}

/** The status that the server tells instead of a message; null for a message. */
function statusOf(msg: Msg): number | null {
  const code = msg.headers?.code ?? 0;
  return msg.data.length === 0 && code !== 0 ? code : null;
}
