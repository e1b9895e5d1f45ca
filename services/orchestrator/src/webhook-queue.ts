/** The queue of webhook deliveries: rows that are pending and due, taken under a lease. All its times are the database's. */
import { DATABASE_TIME, type Database, databaseTimeIn } from '@tailrace/database';
import { sql } from 'kysely';
import type { Verdict } from './webhook-schedule.ts';

/** A webhook that has deliveries which are due. */
export interface DueWebhook {
  name: string;
  /** Where it is; null when it is not registered any more. */
  endpoint: { url: string; secretSealed: string } | null;
}

/** A delivery that a sender has taken: nobody else takes it before the lease has run out. */
export interface TakenDelivery {
  id: string;
  responseId: string;
  eventType: string;
  /** With the attempt that it was taken for. */
  attempts: number;
  /** In milliseconds since the epoch. */
  createdAt: number;
  /** When it was taken; likewise, by the same clock. */
  takenAt: number;
}

/** What an attempt came to. */
export interface AttemptRecord {
  verdict: Verdict;
  status: number | null;
  /** For the owner of the response to read; null after a success. */
  error: string | null;
}

/** The webhooks that have something to be sent. It costs a look for each webhook, however many deliveries wait. */
export async function dueWebhooks(database: Database): Promise<DueWebhook[]> {
  const { rows } = await sql<{ webhook: string; url: string | null; secret_sealed: string | null }>`
    WITH RECURSIVE earliest AS (
      (SELECT webhook, next_attempt_at FROM webhook_deliveries
        WHERE state = 'pending' ORDER BY webhook, next_attempt_at LIMIT 1)
      UNION ALL
      SELECT following.webhook, following.next_attempt_at FROM earliest CROSS JOIN LATERAL (
        SELECT webhook, next_attempt_at FROM webhook_deliveries
          WHERE state = 'pending' AND webhook > earliest.webhook ORDER BY webhook, next_attempt_at LIMIT 1
      ) AS following
    )
    SELECT earliest.webhook, registered.url, registered.secret_sealed FROM earliest
      LEFT JOIN registry_webhooks AS registered ON registered.name = earliest.webhook
      WHERE earliest.next_attempt_at <= ${DATABASE_TIME}`.execute(database);
  return rows.map(({ webhook, url, secret_sealed }) => ({
    name: webhook,
    endpoint: url === null || secret_sealed === null ? null : { url, secretSealed: secret_sealed },
  }));
}

/** Takes up to `limit` due deliveries of a webhook, the longest due first. What is not settled within `leaseMs` comes back. */
export async function takeDeliveries(
  database: Database,
  take: { webhook: string; limit: number; leaseMs: number },
): Promise<TakenDelivery[]> {
  const rows = await database
    .with(
      (cte) => cte('due').materialized(),
      (db) =>
        db
          .selectFrom('webhook_deliveries')
          .select('id')
          .where('state', '=', 'pending')
          .where('webhook', '=', take.webhook)
          .where('next_attempt_at', '<=', DATABASE_TIME)
          .orderBy('next_attempt_at')
          .limit(take.limit)
          .forUpdate()
          .skipLocked(),
    )
    .updateTable('webhook_deliveries')
    .set({ attempts: sql`attempts + 1`, next_attempt_at: databaseTimeIn(take.leaseMs) })
    .where('id', 'in', (db) => db.selectFrom('due').select('id'))
    .returning(['id', 'response_id', 'event_type', 'attempts', 'created_at', DATABASE_TIME.as('taken_at')])
    .execute();
  return rows.map((row) => ({
    id: row.id,
    responseId: row.response_id,
    eventType: row.event_type,
    attempts: row.attempts,
    createdAt: row.created_at.getTime(),
    takenAt: row.taken_at.getTime(),
  }));
}

/**
 * Records what an attempt came to. A failure of somebody whose lease has run out, and whose delivery another one has
 * taken since, is not recorded; a success always counts.
 * @returns whether it was recorded.
 */
export async function settleDelivery(
  database: Database,
  { id, attempts }: Pick<TakenDelivery, 'id' | 'attempts'>,
  { verdict, status, error }: AttemptRecord,
): Promise<boolean> {
  const at =
    verdict.state === 'pending' ? { next_attempt_at: databaseTimeIn(verdict.pauseMs) } : { ended_at: DATABASE_TIME };
  const result = await database
    .updateTable('webhook_deliveries')
    .set({ state: verdict.state, last_status: status, last_error: error, ...at })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .$if(verdict.state !== 'delivered', (query) => query.where('attempts', '=', attempts))
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Gives up the due deliveries of a webhook that is not registered any more. @returns how many there were. */
export async function failRemoved(database: Database, webhook: string): Promise<number> {
  const result = await database
    .updateTable('webhook_deliveries')
    .set({ state: 'failed', last_error: 'the webhook is not registered any more', ended_at: DATABASE_TIME })
    .where('state', '=', 'pending')
    .where('webhook', '=', webhook)
    .where('next_attempt_at', '<=', DATABASE_TIME)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('registry_webhooks').select('name').where('name', '=', webhook))),
    )
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}
