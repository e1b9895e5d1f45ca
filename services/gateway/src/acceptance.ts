/** Hands a request to the orchestrator and waits until it is committed, or refused. */
import { randomBytes } from 'node:crypto';
import { createInbox } from '@nats-io/nats-core';
import {
  type Bus,
  type CreateCommand,
  type CreateReply,
  chainSubject,
  decodeMessage,
  encodeMessage,
  PublishRejected,
  PublishUncertain,
  partitionOf,
  publishPayload,
} from '@tailrace/bus';
import { ApiError } from '@tailrace/protocol';

/** How the orchestrator is asked. */
export interface AcceptanceOptions {
  bus: Bus;
  partitions: number;
  /** Milliseconds until a request without an answer is given up; the orchestrator drops it then. */
  timeoutMs: number;
}

/** One inbox for the answers to all requests of the process. */
export class Acceptance {
  readonly #options: AcceptanceOptions;
  readonly #prefix = createInbox();
  readonly #waiting = new Map<string, (reply: CreateReply) => void>();

  constructor(options: AcceptanceOptions) {
    this.#options = options;
    options.bus.nc.subscribe(`${this.#prefix}.*`, {
      callback: (error, msg) => {
        if (error) return;
        this.#waiting.get(msg.subject.slice(this.#prefix.length + 1))?.(decodeMessage(msg.subject, msg.data));
      },
    });
  }

  /**
   * Resolves when the response is committed; tells whether it was there before.
   * @throws ApiError the refusal, or `unavailable` when no answer comes in time.
   */
  async request(command: Omit<CreateCommand, 'replyTo' | 'expiresAt'>): Promise<{ existed: boolean }> {
    const { bus, partitions, timeoutMs } = this.#options;
    const id = randomBytes(9).toString('base64url');
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<CreateReply>((resolve, reject) => {
      this.#waiting.set(id, resolve);
      timer = setTimeout(() => {
        reject(new ApiError('unavailable', { reason: 'nothing could be stored in time' }));
      }, timeoutMs);
    });
    const sent: CreateCommand = { ...command, replyTo: `${this.#prefix}.${id}`, expiresAt: Date.now() + timeoutMs };
    const subject = chainSubject(partitionOf(command.id, partitions), 'create');
    const stored = publishPayload(bus, subject, encodeMessage(sent)).catch((error: unknown) => {
      if (!(error instanceof PublishRejected) && !(error instanceof PublishUncertain)) throw error;
      throw new ApiError('unavailable', { reason: 'the message queue does not answer' }, { cause: error });
    });
    try {
      const [reply] = await Promise.all([answer, stored]);
      if (reply.accepted) return { existed: reply.existed };
      throw ApiError.from(reply.error, reply.param);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }
}
