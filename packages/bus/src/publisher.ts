import { createInbox, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import type { BusLog } from './bus-log.ts';
import { subscribe } from './subscribe.ts';

/** What JetStream says of a message it has stored. */
export interface StoredAck {
  stream: string;
  /** The message's sequence in the stream. */
  seq: number;
  /** The message was there already (same `Nats-Msg-Id` within the window). */
  duplicate: boolean;
}

/** JetStream refused a message, and said why. */
export class PublishRejected extends Error {
  /** JetStream's `err_code`. */
  readonly errCode: number;
  readonly description: string;
  constructor(subject: string, errCode: number, description: string) {
    super(`${subject}: ${description} (${errCode})`);
    this.name = 'PublishRejected';
    this.errCode = errCode;
    this.description = description;
  }
}

/** Whether a message was stored is not known: no answer came in time, none that can be read, or nobody listens. */
export class PublishUncertain extends Error {
  constructor(subject: string, reason: string) {
    super(`${subject}: ${reason}`);
    this.name = 'PublishUncertain';
  }
}

/** What JetStream answers. */
interface Answer {
  error?: { err_code?: number; description?: string };
  stream?: string;
  seq?: number;
  duplicate?: boolean;
}

interface Waiting {
  subject: string;
  /** By the monotonic clock. */
  deadline: number;
  resolve(ack: StoredAck): void;
  reject(error: Error): void;
}

/**
 * Publishes to JetStream with one inbox for all acknowledgements of the process, which costs a fraction of a request per
 * message.
 */
export class AckedPublisher {
  readonly #nc: NatsConnection;
  readonly #timeoutMs: number;
  readonly #prefix = createInbox();
  readonly #waiting = new Map<string, Waiting>();
  readonly #sweeper: NodeJS.Timeout;
  #next = 0;

  constructor({ nc, log }: { nc: NatsConnection; log: BusLog }, timeoutMs: number) {
    this.#nc = nc;
    this.#timeoutMs = timeoutMs;
    subscribe({ nc, log }, `${this.#prefix}.*`, ({ subject, data, headers }) =>
      this.#settle(subject.slice(this.#prefix.length + 1), data, headers),
    );
    this.#sweeper = setInterval(() => this.#expire(performance.now()), 100);
    this.#sweeper.unref();
  }

  /**
   * Resolves when JetStream has stored the message.
   * @throws PublishRejected when JetStream says no; PublishUncertain when nothing is heard of it in time.
   */
  publish(subject: string, payload: Uint8Array, headers?: MsgHdrs): Promise<StoredAck> {
    return new Promise((resolve, reject) => {
      const id = (this.#next++).toString(36);
      this.#waiting.set(id, { subject, deadline: performance.now() + this.#timeoutMs, resolve, reject });
      try {
        this.#nc.publish(subject, payload, { reply: `${this.#prefix}.${id}`, ...(headers ? { headers } : {}) });
      } catch (error) {
        this.#waiting.delete(id);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  /** Publishes still without an answer fail at once; their callers see {@link PublishUncertain}. */
  close(): void {
    clearInterval(this.#sweeper);
    this.#expire(Number.POSITIVE_INFINITY);
  }

  #settle(id: string, data: Uint8Array, headers: MsgHdrs | undefined): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    if (headers?.code === 503) {
      waiting.reject(new PublishUncertain(waiting.subject, 'no stream listens'));
      return;
    }
    let answer: Answer;
    try {
      answer = JSON.parse(Buffer.from(data).toString()) as Answer;
    } catch (error) {
      waiting.reject(new PublishUncertain(waiting.subject, 'its acknowledgement cannot be read'));
      throw error;
    }
    const { error, stream, seq, duplicate } = answer;
    if (error) {
      waiting.reject(new PublishRejected(waiting.subject, error.err_code ?? 0, error.description ?? ''));
    } else {
      waiting.resolve({ stream: stream ?? '', seq: seq ?? 0, duplicate: duplicate ?? false });
    }
  }

  /** Every publish waits equally long, so the oldest stand first. */
  #expire(now: number): void {
    for (const [id, waiting] of this.#waiting) {
      if (waiting.deadline > now) return;
      this.#waiting.delete(id);
      waiting.reject(new PublishUncertain(waiting.subject, `no acknowledgement within ${this.#timeoutMs} ms`));
    }
  }
}
