/** A database with a queue of deliveries, a receiver, and senders between them. */
import { connectDatabase, type Database, migrate } from '@tailrace/database';
import { newId } from '@tailrace/protocol';
import { Sealer } from '@tailrace/registry';
import { sql } from 'kysely';
import { pino } from 'pino';
import { inject } from 'vitest';
import { makeDatabase } from '../../../test/harness/database.ts';
import { eventually } from '../../../test/harness/eventually.ts';
import { type SenderOptions, WebhookSender } from '../src/webhook-sender.ts';
import { type Receiver, startReceiver } from './webhook-receiver.ts';

export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
export const HOUR = 3_600_000;
export const TIMEOUT = 2_000;
/** What a delivery is leased for, in milliseconds. */
export const LEASE = TIMEOUT + 30_000;
export const OPTIONS: SenderOptions = {
  everyMs: 20,
  timeoutMs: TIMEOUT,
  concurrency: 4,
  policy: { firstMs: 5_000, maxMs: 6 * HOUR, forMs: 72 * HOUR },
};

/** See the file's head. */
export class WebhookBench {
  readonly database: Database;
  readonly receiver: Receiver;
  readonly sealer = new Sealer('the key of this installation');
  /** Those that {@link stopSenders} stops. */
  readonly senders: WebhookSender[] = [];
  /** What they have logged. */
  readonly lines: string[] = [];
  readonly #url: string;

  private constructor(url: string, receiver: Receiver) {
    this.#url = url;
    this.receiver = receiver;
    this.database = this.connect();
  }

  static async start(): Promise<WebhookBench> {
    const url = await makeDatabase(inject('postgresUrl'));
    await migrate(url);
    return new WebhookBench(url, await startReceiver());
  }

  /** One more pool of connections; whoever opens it closes it. */
  connect(): Database {
    return connectDatabase({
      url: this.#url,
      name: 'test',
      connections: 4,
      timeoutMs: 10_000,
      prepare: true,
      onError: () => undefined,
    });
  }

  async clear(): Promise<void> {
    this.receiver.received.length = 0;
    this.lines.length = 0;
    await this.database.deleteFrom('webhook_deliveries').execute();
    await this.database.deleteFrom('registry_webhooks').execute();
  }

  async stopSenders(): Promise<void> {
    await Promise.all(this.senders.splice(0).map((sender) => sender.stop(0)));
  }

  async close(): Promise<void> {
    await this.receiver.close();
    await this.database.destroy();
  }

  /** A sender that is at work. */
  startSender(options: Partial<SenderOptions> = {}): WebhookSender {
    const log = pino({ level: 'debug' }, { write: (line: string) => this.lines.push(line) });
    const { database, sealer } = this;
    const sender = new WebhookSender({ database, sealer, log }, { ...OPTIONS, ...options });
    this.senders.push(sender);
    sender.start();
    return sender;
  }

  /** Registers a webhook at a path of the receiver, or at another URL. */
  async register(name: string, path = `/${name}`, sealed = this.sealer.seal(SECRET)): Promise<void> {
    const url = path.startsWith('http') ? path : `${this.receiver.url}${path}`;
    const row = { name, url, secret_sealed: sealed, events: ['response.completed'], owners: null, from_file: false };
    await this.database.insertInto('registry_webhooks').values(row).execute();
  }

  /** Puts deliveries into the queue, as the end of a response does. @returns their ids. */
  async queue(webhook: string, count = 1): Promise<string[]> {
    const now = Date.now();
    const at = new Date(now);
    const rows = Array.from({ length: count }, () => ({
      id: newId(now),
      response_id: newId(now),
      owner: 'alice',
      webhook,
      event_type: 'response.completed',
      state: 'pending' as const,
      attempts: 0,
      next_attempt_at: at,
      last_status: null,
      last_error: null,
      created_at: at,
      ended_at: null,
    }));
    await this.database.insertInto('webhook_deliveries').values(rows).execute();
    return rows.map((row) => row.id);
  }

  /** So much time passes for all deliveries. */
  async pass(ms: number): Promise<void> {
    await sql`
      UPDATE webhook_deliveries SET created_at = created_at - ${ms} * interval '1 millisecond',
        next_attempt_at = next_attempt_at - ${ms} * interval '1 millisecond'`.execute(this.database);
  }

  /** What waits is due so much sooner. */
  async hurry(ms: number): Promise<void> {
    await sql`
      UPDATE webhook_deliveries SET next_attempt_at = next_attempt_at - ${ms} * interval '1 millisecond'`.execute(
      this.database,
    );
  }

  /** A delivery as it stands. */
  read(id: string | undefined) {
    return this.database
      .selectFrom('webhook_deliveries')
      .selectAll()
      .where('id', '=', id ?? '')
      .executeTakeFirstOrThrow();
  }

  /** A delivery once a sender has recorded that attempt. */
  async attempted(id: string | undefined, attempt = 1) {
    await eventually(`attempt ${attempt} of ${id} is recorded`, async () =>
      this.lines.some((line) => {
        const told = JSON.parse(line) as { delivery?: string; attempt?: number };
        return told.delivery === id && told.attempt === attempt;
      }),
    );
    return this.read(id);
  }

  /** A delivery once no attempt follows. */
  ended(id: string | undefined) {
    return eventually(`${id} ends`, async () => {
      const row = await this.read(id);
      return row.state !== 'pending' && row;
    });
  }
}
