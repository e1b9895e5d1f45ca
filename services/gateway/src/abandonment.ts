/**
 * What happens to a response when its clients have gone. Nothing at first: they may come back, here or at another gateway.
 * When nobody has for a while, and the installation wants it so, the response is cancelled.
 *
 * A gateway whose last client of a response has left waits, and then asks all gateways whether one of them has a client of
 * it, or waits for one as well: whoever was left last decides.
 */
import { errors, type Subscription } from '@nats-io/nats-core';
import type { OrchestratorClient } from '@tailrace/bus';
import { attachedSubject, type Bus, subjectOf, subscribe } from '@tailrace/bus';
import { type AcceptedRequest, isStored, type SubmittedRequest } from '@tailrace/chain';
import { ApiError, type ResponseId } from '@tailrace/protocol';
import type { Logger } from '@tailrace/service';

/** Which responses are cancelled when their clients have gone; never those in the background, which nobody waits for. */
export type DisconnectPolicy = 'never' | 'unstored' | 'always';

/** How a gateway deals with clients that leave. */
export interface AbandonmentOptions {
  bus: Pick<Bus, 'nc'>;
  orchestrator: Pick<OrchestratorClient, 'ask'>;
  /** A gateway that stops sends its clients away itself: they will come back to another. */
  streams: { readonly draining: boolean };
  policy: DisconnectPolicy;
  /** Milliseconds in which a client may come back. */
  graceMs: number;
  /** The most responses that are waited for at once; those beyond go on to their end. */
  maxWaiting: number;
  log: Logger;
}

/** A response that a client streams or waits for. */
export interface Watched {
  id: ResponseId;
  owner: string;
  correlationId: string;
  request: AcceptedRequest | SubmittedRequest;
}

/** Milliseconds until other gateways that say nothing have nothing to say. */
const ANSWER_MS = 1_000;

/** See the file's head. */
export class Abandonment {
  readonly #options: AbandonmentOptions;
  readonly #clients = new Map<ResponseId, number>();
  readonly #timers = new Map<ResponseId, NodeJS.Timeout>();
  readonly #subscription: Subscription | undefined;

  constructor(options: AbandonmentOptions) {
    this.#options = options;
    if (options.policy === 'never') return;
    const { bus, log } = options;
    this.#subscription = subscribe({ nc: bus.nc, log }, attachedSubject('*'), (message) => {
      const id = subjectOf(message.subject);
      if (this.#clients.has(id) || this.#timers.has(id)) message.respond();
    });
  }

  /** How many responses are waited for. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** A client has come. Call what it returns when it leaves, and say whether the response had come to its end for it. */
  watch(watched: Watched): (ended: boolean) => void {
    if (!this.#concerns(watched.request)) return () => undefined;
    const { id } = watched;
    this.#clients.set(id, (this.#clients.get(id) ?? 0) + 1);
    this.#stopWaiting(id);
    let here = true;
    return (ended) => {
      if (!here) return;
      here = false;
      const left = (this.#clients.get(id) ?? 1) - 1;
      if (left > 0) this.#clients.set(id, left);
      else this.#clients.delete(id);
      if (left === 0 && !ended) this.#wait(watched);
    };
  }

  /** Waits for nobody any more; what runs goes on to its end. */
  close(): void {
    this.#subscription?.unsubscribe();
    for (const id of [...this.#timers.keys()]) this.#stopWaiting(id);
  }

  #concerns(request: Watched['request']): boolean {
    if (request.body.background) return false;
    switch (this.#options.policy) {
      case 'never':
        return false;
      case 'unstored':
        return !isStored(request);
      case 'always':
        return true;
    }
  }

  #wait(watched: Watched): void {
    const { streams, graceMs, maxWaiting, log } = this.#options;
    if (streams.draining) return;
    if (this.#timers.size >= maxWaiting) {
      log.warn({ response_id: watched.id }, 'too many responses are without their clients; this one goes on');
      return;
    }
    this.#timers.set(
      watched.id,
      setTimeout(() => void this.#giveUp(watched), graceMs),
    );
  }

  #stopWaiting(id: ResponseId): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  async #giveUp({ id, owner, correlationId }: Watched): Promise<void> {
    const { streams, orchestrator } = this.#options;
    const log = this.#options.log.child({ response_id: id, correlation_id: correlationId });
    this.#timers.delete(id);
    try {
      const elsewhere = await this.#isAttended(id);
      if (elsewhere || this.#clients.has(id) || this.#timers.has(id) || streams.draining) return;
      const { existed } = await orchestrator.ask('cancel', { id, owner, correlationId });
      if (!existed) log.info('cancelled: its clients have gone');
    } catch (error) {
      // It has ended, and is not kept.
      if (error instanceof ApiError && error.code === 'response_not_found') return;
      log.warn({ err: error }, 'a response without clients could not be cancelled; it goes on');
    }
  }

  /** Whether another gateway has a client of the response, or waits for one. */
  async #isAttended(id: ResponseId): Promise<boolean> {
    try {
      await this.#options.bus.nc.request(attachedSubject(id), undefined, { timeout: ANSWER_MS });
      return true;
    } catch (error) {
      if (error instanceof errors.TimeoutError || error instanceof errors.NoRespondersError) return false;
      throw error;
    }
  }
}
