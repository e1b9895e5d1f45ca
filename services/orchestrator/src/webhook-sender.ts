/** Tells webhooks of the ends of responses: at least once, in no order, for as long as the policy says. */
import type { Database } from '@tailrace/database';
import type { Sealer } from '@tailrace/registry';
import type { Logger } from '@tailrace/service';
import { Webhook } from 'standardwebhooks';
import { type Endpoint, type PostOutcome, WebhookClient } from './webhook-client.ts';
import {
  type DueWebhook,
  dueWebhooks,
  failRemoved,
  settleDelivery,
  type TakenDelivery,
  takeDeliveries,
} from './webhook-queue.ts';
import { judge, type RetryPolicy } from './webhook-schedule.ts';

/** What a sender works with. */
export interface SenderContext {
  database: Database;
  sealer: Sealer;
  log: Logger;
}

/** Bounds of a sender. */
export interface SenderOptions {
  /** Milliseconds between two looks for due deliveries. */
  everyMs: number;
  /** Milliseconds for one attempt. */
  timeoutMs: number;
  /** Attempts at once to one webhook: a slow one holds nobody else up. */
  concurrency: number;
  policy: RetryPolicy;
}

/** How much longer than an attempt a delivery is leased: to record the attempt. */
const LEASE_MARGIN_MS = 30_000;

/** What is on its way to one webhook. */
interface Lane {
  sending: Set<Promise<void>>;
  /** Whether there may be more that is due. */
  more: boolean;
}

/** A sender; any number of them share the work. */
export class WebhookSender {
  readonly #context: SenderContext;
  readonly #options: SenderOptions;
  readonly #client: WebhookClient;
  readonly #lanes = new Map<string, Lane>();
  readonly #stopping = new AbortController();
  readonly #cut = new AbortController();
  #awake = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;

  constructor(context: SenderContext, options: SenderOptions) {
    this.#context = context;
    this.#options = options;
    this.#client = new WebhookClient(options.timeoutMs);
  }

  /** Looks for due deliveries, now and again and again. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Looks for due deliveries without waiting for the next time. */
  wake(): void {
    this.#awake.resolve();
  }

  /** Takes nothing more, and lets go of what is not sent within `drainMs`: it is sent again when its lease has run out. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping.abort();
    this.wake();
    const timer = setTimeout(() => this.#cut.abort(), drainMs);
    await this.#running;
    await Promise.all([...this.#lanes.values()].flatMap((lane) => [...lane.sending]));
    clearTimeout(timer);
    await this.#client.close();
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#round();
      } catch (error) {
        this.#context.log.warn({ err: error }, 'the look for due webhooks failed; it is tried again');
      }
      // With jitter, so that replicas do not do it in step.
      const timer = setTimeout(() => this.wake(), this.#options.everyMs * (0.75 + Math.random() / 2));
      await this.#awake.promise;
      clearTimeout(timer);
      this.#awake = Promise.withResolvers();
    }
  }

  async #round(): Promise<void> {
    const { database, log } = this.#context;
    for (const { name, endpoint } of await dueWebhooks(database)) {
      if (this.#stopping.signal.aborted) return;
      if (endpoint) {
        await this.#fill(name, endpoint);
      } else {
        const failed = await failRemoved(database, name);
        if (failed > 0) log.warn({ webhook: name, failed }, 'gave up deliveries to a webhook that is not registered');
      }
    }
  }

  /** Sends as much to a webhook as it is sent at once. */
  async #fill(webhook: string, at: NonNullable<DueWebhook['endpoint']>): Promise<void> {
    const lane = this.#lanes.get(webhook) ?? { sending: new Set(), more: false };
    this.#lanes.set(webhook, lane);
    const limit = this.#options.concurrency - lane.sending.size;
    if (limit > 0) {
      const endpoint = this.#open(webhook, at);
      const leaseMs = this.#options.timeoutMs + LEASE_MARGIN_MS;
      const taken = await takeDeliveries(this.#context.database, { webhook, limit, leaseMs });
      const clock = databaseClock(taken);
      for (const delivery of taken) {
        const sending = this.#deliver(webhook, endpoint, delivery, clock).finally(() => {
          lane.sending.delete(sending);
          if (lane.more) this.wake();
        });
        lane.sending.add(sending);
      }
      lane.more = taken.length === limit;
    } else {
      lane.more = true;
    }
  }

  /** Undefined when its secret is of no use, which the operator is told; what waits for it is tried again later. */
  #open(webhook: string, { url, secretSealed }: NonNullable<DueWebhook['endpoint']>): Endpoint | undefined {
    try {
      return { url, signer: new Webhook(this.#context.sealer.open(secretSealed)) };
    } catch (error) {
      this.#context.log.error({ err: error, webhook }, 'the secret of a webhook cannot be used');
      return undefined;
    }
  }

  async #deliver(
    webhook: string,
    endpoint: Endpoint | undefined,
    delivery: TakenDelivery,
    clock: () => number,
  ): Promise<void> {
    const log = this.#context.log.child({ response_id: delivery.responseId, delivery: delivery.id, webhook });
    try {
      const outcome = endpoint ? await this.#post(endpoint, delivery, clock()) : SECRET_UNUSABLE;
      const { attempts, createdAt } = delivery;
      const attempt = { ageMs: clock() - createdAt, attempts, status: outcome.status };
      const verdict = judge(attempt, this.#options.policy, Math.random());
      const recorded = await settleDelivery(this.#context.database, delivery, { verdict, ...outcome });
      log[verdict.state === 'failed' ? 'warn' : 'info'](
        { ...verdict, ...outcome, attempt: delivery.attempts, recorded },
        'webhook attempted',
      );
    } catch (error) {
      if (this.#cut.signal.aborted) log.info('a delivery is left to another sender');
      else log.warn({ err: error }, 'a delivery could not be recorded; it is sent again when its lease has run out');
    }
  }

  #post(endpoint: Endpoint, delivery: TakenDelivery, now: number): Promise<PostOutcome> {
    return this.#client.post(endpoint, delivery, new Date(now), this.#cut.signal);
  }
}

/** The database's time from when it gave these deliveries out, in milliseconds: this machine's clock may be wrong. */
function databaseClock([first]: readonly TakenDelivery[]): () => number {
  const taken = performance.now();
  return () => Math.round((first?.takenAt ?? 0) + performance.now() - taken);
}

const SECRET_UNUSABLE: PostOutcome = { status: null, error: 'the secret of the webhook cannot be used by this server' };
