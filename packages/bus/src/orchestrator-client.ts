/** Asks the orchestrator for something, and waits until it is committed, or refused. */
import { randomBytes } from 'node:crypto';
import { createInbox } from '@nats-io/nats-core';
import { ApiError } from '@tailrace/protocol';
import type { Bus } from './connection.ts';
import { type AdmitAnswer, type AdmitQuestion, LimitReached, type RateLimit } from './limits.ts';
import {
  type Asked,
  type AskedCommand,
  type ConversationCommand,
  type CreateCommand,
  decodeMessage,
  encodeMessage,
  type RedriveCommand,
  type Reply,
  type ResponseCommand,
} from './messages.ts';
import { publishPayload } from './payload.ts';
import { PublishRejected, PublishUncertain } from './publisher.ts';
import { isSilence } from './silence.ts';
import { ADMIT_SUBJECT, chainSubject, partitionOf, RELEASE_SUBJECT } from './subjects.ts';

/** How the orchestrator is asked. */
export interface OrchestratorClientOptions {
  bus: Bus;
  partitions: number;
  /** Milliseconds until a request without an answer is given up; the orchestrator drops it then. */
  timeoutMs: number;
}

/** The commands by their kind, without what the client adds itself. */
interface Commands {
  create: Unsent<CreateCommand>;
  cancel: Unsent<ResponseCommand>;
  delete: Unsent<ResponseCommand>;
  redrive: Unsent<RedriveCommand>;
  conversation: Unsent<ConversationCommand>;
}
type Unsent<Command extends Asked> = Omit<Command, 'replyTo' | 'askedAt' | 'waitMs'>;

/** What was done. */
export type Done = Omit<Extract<Reply, { accepted: true }>, 'accepted'>;

/** One inbox for the answers to all requests of the process. */
export class OrchestratorClient {
  readonly #options: OrchestratorClientOptions;
  readonly #prefix = createInbox();
  readonly #waiting = new Map<string, (reply: Reply) => void>();

  constructor(options: OrchestratorClientOptions) {
    this.#options = options;
    options.bus.nc.subscribe(`${this.#prefix}.*`, {
      callback: (error, msg) => {
        if (error) return;
        const settle = this.#waiting.get(msg.subject.slice(this.#prefix.length + 1));
        if (msg.reply) msg.respond(encodeMessage({ waiting: settle !== undefined }));
        else settle?.(decodeMessage(msg.subject, msg.data));
      },
    });
  }

  /**
   * Resolves when it is committed; tells whether it had been done before.
   * @throws ApiError the refusal, or `unavailable` when no answer comes in time.
   */
  async ask<Kind extends keyof Commands>(kind: Kind, command: Commands[Kind]): Promise<Done> {
    const { bus, partitions, timeoutMs } = this.#options;
    const inbox = randomBytes(9).toString('base64url');
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<Reply>((resolve, reject) => {
      this.#waiting.set(inbox, resolve);
      timer = setTimeout(() => {
        reject(new ApiError('unavailable', { reason: 'nothing could be stored in time' }));
      }, timeoutMs);
    });
    const replyTo = `${this.#prefix}.${inbox}`;
    const asked = { ...command, replyTo, askedAt: Date.now(), waitMs: timeoutMs };
    const subject = chainSubject(partitionOf(command.id, partitions), kind);
    const stored = publishPayload(bus, subject, encodeMessage(asked as AskedCommand)).catch((error: unknown) => {
      if (!(error instanceof PublishRejected) && !(error instanceof PublishUncertain)) throw error;
      throw new ApiError('unavailable', { reason: 'the message queue does not answer' }, { cause: error });
    });
    try {
      const [reply] = await Promise.all([answer, stored]);
      if (!reply.accepted && reply.limit) throw new LimitReached(reply.limit);
      if (!reply.accepted) throw ApiError.from(reply.error, reply.param);
      const { accepted: _accepted, ...done } = reply;
      return done;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(inbox);
    }
  }

  /**
   * Asks for a call that is no response; tells whether its end has to be told, and where its limits stand.
   * @throws LimitReached
   * @throws ApiError `unavailable` when no answer comes in time.
   */
  async admit(question: Omit<AdmitQuestion, 'expiresAt'>): Promise<{ leased: boolean; rateLimit: RateLimit }> {
    const { bus, timeoutMs } = this.#options;
    const asked = { ...question, expiresAt: Date.now() + timeoutMs };
    let answer: AdmitAnswer;
    try {
      const { data } = await bus.nc.request(ADMIT_SUBJECT, encodeMessage(asked), { timeout: timeoutMs });
      answer = decodeMessage<AdmitAnswer>(ADMIT_SUBJECT, data);
    } catch (error) {
      if (!isSilence(error)) throw error;
      // It may have been admitted all the same.
      if (question.lease) this.release(question.id);
      throw new ApiError('unavailable', { reason: 'its limits could not be looked up in time' }, { cause: error });
    }
    if (!answer.admitted) throw new LimitReached(answer.refusal);
    return answer;
  }

  /** Tells that a call which was admitted is over. May be told any number of times. */
  release(id: string): void {
    this.#options.bus.nc.publish(RELEASE_SUBJECT, encodeMessage({ id }));
  }
}
