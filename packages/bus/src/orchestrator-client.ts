/** Asks the orchestrator for something, and waits until it is committed, or refused. */
import { randomBytes } from 'node:crypto';
import { createInbox, TimeoutError } from '@nats-io/nats-core';
import { ApiError } from '@tailrace/protocol';
import type {
  Asked,
  AskedCommand,
  Asking,
  ConversationCommand,
  CreateCommand,
  RedriveCommand,
  Reply,
  ResponseCommand,
  Waiting,
  WithdrawCommand,
} from './commands.ts';
import type { Bus } from './connection.ts';
import { type AdmitAnswer, type AdmitQuestion, LimitReached, type RateLimit } from './limits.ts';
import { decodeMessage, encodeMessage } from './messages.ts';
import { publishPayload, publishUntilStored } from './payload.ts';
import { PublishRejected, PublishUncertain } from './publisher.ts';
import { isSilence } from './silence.ts';
import { ADMIT_SUBJECT, chainSubject, partitionOf, RELEASE_SUBJECT } from './subjects.ts';
import { subscribe } from './subscribe.ts';
import { LEAST_WAIT_MS } from './waiting.ts';

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

/** A request without an answer. */
interface Waiter {
  hear(reply: Reply): void;
  giveUp(): void;
  /** By `performance.now()`. */
  since: number;
}

/** How many of the requests that were given up are remembered, so that orchestrators that ask can be told. */
const GIVEN_UP = 10_000;
/** How many withdrawals may be on their way; beyond that NATS has been away for long. */
const WITHDRAWALS = 10_000;
/** How many times as long as an answer is waited for NATS is tried for a withdrawal. */
const WITHDRAWAL_PATIENCE = 60;

/** One inbox for the answers to all requests of the process. */
export class OrchestratorClient {
  readonly #options: OrchestratorClientOptions;
  readonly #prefix = createInbox();
  readonly #waiting = new Map<string, Waiter>();
  /** The oldest first. */
  readonly #givenUp = new Set<string>();
  readonly #withdrawals = new Set<Promise<void>>();
  readonly #ending = new AbortController();

  constructor(options: OrchestratorClientOptions) {
    this.#options = options;
    subscribe(options.bus, `${this.#prefix}.*`, (message) => {
      const inbox = message.subject.slice(this.#prefix.length + 1);
      if (message.reply) message.respond(encodeMessage(this.#standingOf(inbox)));
      else this.#waiting.get(inbox)?.hear(decodeMessage(message.subject, message.data));
    });
  }

  /**
   * Resolves when it is committed; tells whether it had been done before. A response that no answer comes about in time, and
   * that no `Idempotency-Key` leads back to, is withdrawn.
   * @throws ApiError the refusal, or `unavailable` when no answer comes in time.
   */
  async ask<Kind extends keyof Commands>(kind: Kind, command: Commands[Kind]): Promise<Done> {
    let reply: Reply;
    try {
      reply = await this.#replyTo(kind, command);
    } catch (error) {
      if ('bodyHash' in command && command.bodyHash === null) {
        void this.withdraw(command, this.#options.timeoutMs * WITHDRAWAL_PATIENCE);
      }
      throw error;
    }
    if (!reply.accepted && reply.limit) throw new LimitReached(reply.limit);
    if (!reply.accepted) throw ApiError.from(reply.error, reply.param);
    const { accepted: _accepted, ...done } = reply;
    return done;
  }

  /**
   * Tells that whoever wanted a response is told that there is none: whatever was made of it is removed. Resolves when that
   * is sure to be heard, or, which is logged, when NATS could not be told within `forMs` milliseconds.
   */
  async withdraw({ id, owner, correlationId }: WithdrawCommand, forMs = this.#options.timeoutMs): Promise<void> {
    const { bus, partitions } = this.#options;
    const subject = chainSubject(partitionOf(id, partitions), 'withdraw');
    if (this.#withdrawals.size >= WITHDRAWALS) {
      const err = new Error('too many withdrawals wait for NATS');
      bus.log.error({ err, subject }, `response ${id} is not withdrawn`);
      return;
    }
    const signal = AbortSignal.any([AbortSignal.timeout(forMs), this.#ending.signal]);
    const bytes = encodeMessage({ id, owner, correlationId });
    const told = publishUntilStored(bus, subject, bytes, `withdraw ${id}`, signal).then(
      () => undefined,
      (error: unknown) => bus.log.error({ err: error, subject }, `response ${id} is not withdrawn`),
    );
    this.#withdrawals.add(told);
    await told;
    this.#withdrawals.delete(told);
  }

  /**
   * Before the process ends: waits for no answer any longer than it must, as if the time of each request were over. Call it
   * when nothing new is asked.
   */
  leave(): void {
    for (const waiter of this.#waiting.values()) {
      setTimeout(waiter.giveUp, Math.max(0, waiter.since + LEAST_WAIT_MS - performance.now()));
    }
  }

  /**
   * Before the process ends: resolves when all withdrawals have been heard, or, after `forMs` milliseconds
   * and what one publish takes, are given up.
   */
  async end(forMs: number): Promise<void> {
    const timer = setTimeout(() => this.#ending.abort(new Error('the process ends')), forMs);
    await Promise.all(this.#withdrawals);
    clearTimeout(timer);
  }

  /** The answer alone decides: when it is there, it does not matter whether NATS has told that it has the question. */
  async #replyTo(kind: keyof Commands, command: Commands[keyof Commands]): Promise<Reply> {
    const { bus, partitions, timeoutMs } = this.#options;
    const inbox = randomBytes(9).toString('base64url');
    let timer: NodeJS.Timeout | undefined;
    let uncertain: PublishUncertain | undefined;
    const answer = new Promise<Reply>((resolve, reject) => {
      const giveUp = () => {
        const reason = uncertain ? 'the message queue does not answer' : 'nothing could be stored in time';
        reject(new ApiError('unavailable', { reason }, uncertain ? { cause: uncertain } : {}));
      };
      this.#waiting.set(inbox, { hear: resolve, giveUp, since: performance.now() });
      timer = setTimeout(giveUp, timeoutMs);
    });
    const asked = { ...command, ...this.#asking(inbox) };
    const subject = chainSubject(partitionOf(command.id, partitions), kind);
    const stored = publishPayload(bus, subject, encodeMessage(asked as AskedCommand)).catch((error: unknown) => {
      if (error instanceof PublishRejected) {
        throw new ApiError('unavailable', { reason: 'the message queue does not answer' }, { cause: error });
      }
      if (!(error instanceof PublishUncertain)) throw error;
      uncertain = error;
    });
    try {
      return await Promise.race([answer, stored.then(() => answer)]);
    } catch (error) {
      this.#giveUp(inbox);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(inbox);
    }
  }

  #asking(inbox: string): Asking {
    return { askedAt: Date.now(), waitMs: this.#options.timeoutMs, replyTo: `${this.#prefix}.${inbox}` };
  }

  #standingOf(inbox: string): Waiting {
    return { waiting: this.#waiting.has(inbox), gaveUp: this.#givenUp.has(inbox) };
  }

  #giveUp(inbox: string): void {
    this.#givenUp.add(inbox);
    const [oldest] = this.#givenUp;
    if (this.#givenUp.size > GIVEN_UP && oldest !== undefined) this.#givenUp.delete(oldest);
  }

  /**
   * Asks for a call that is no response; tells whether its end has to be told, and where its limits stand.
   * @throws LimitReached
   * @throws ApiError `unavailable` when no answer comes in time, `overloaded` when whoever could answer is too busy.
   */
  async admit(question: Omit<AdmitQuestion, keyof Asking>): Promise<{ leased: boolean; rateLimit: RateLimit }> {
    const { bus, timeoutMs } = this.#options;
    const inbox = randomBytes(9).toString('base64url');
    const asked = { ...question, ...this.#asking(inbox) };
    let answer: AdmitAnswer;
    const left = Promise.withResolvers<never>();
    // The answer comes by itself; here it is only told whether it is still waited for.
    this.#waiting.set(inbox, {
      hear: () => undefined,
      giveUp: () => left.reject(new TimeoutError()),
      since: performance.now(),
    });
    try {
      const request = bus.nc.request(ADMIT_SUBJECT, encodeMessage(asked), { timeout: timeoutMs });
      const { data } = await Promise.race([request, left.promise]);
      answer = decodeMessage<AdmitAnswer>(ADMIT_SUBJECT, data);
    } catch (error) {
      if (!isSilence(error)) throw error;
      // It may have been admitted all the same.
      if (question.lease) this.release(question.id);
      throw new ApiError('unavailable', { reason: 'its limits could not be looked up in time' }, { cause: error });
    } finally {
      this.#waiting.delete(inbox);
    }
    if (answer.admitted) return answer;
    throw 'refusal' in answer ? new LimitReached(answer.refusal) : ApiError.from(answer.error, null);
  }

  /** Tells that a call which was admitted is over. May be told any number of times. */
  release(id: string): void {
    this.#options.bus.nc.publish(RELEASE_SUBJECT, encodeMessage({ id }));
  }
}
