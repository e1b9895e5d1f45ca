/** Writes what a journal entry changes, and what the end of a response brings with it. */
import {
  hasEnded,
  isScopeStep,
  isStored,
  isTerminal,
  type ResponseRecord,
  type Step,
  type Transition,
  timeLimitOf,
  turnItems,
} from '@tailrace/chain';
import { DATABASE_TIME, databaseTimeIn, outcomeColumns, recordColumns, stepRow, type Tables } from '@tailrace/database';
import { newId } from '@tailrace/protocol';
import { type QueryCreator, type RawBuilder, sql, type Transaction } from 'kysely';
import { type EndedReport, withCalls } from './analytics.ts';
import type { Retention, StoreContext } from './context.ts';
import { settleResponse } from './limits/settlement.ts';

/** Everything that an entry writes: one statement while the response lives. */
export async function writeEntry(
  tx: Transaction<Tables>,
  context: Pick<StoreContext, 'retention'>,
  next: Transition,
  now: number,
  report?: EndedReport,
): Promise<void> {
  const { record, changed, added } = next;
  let query: QueryCreator<Tables> = tx;
  changed.forEach((step, index) => {
    query = query.with(`changed${index}`, (db) =>
      db
        .updateTable('response_steps')
        .set({ ...outcomeColumns(step), ...(isScopeStep(step) ? { deadline: null } : {}) })
        .where('response_id', '=', record.id)
        .where('id', '=', step.id),
    );
  });
  if (added.length > 0) {
    const rows = added.map((step) => ({ ...stepRow(record.id, step), ...deadlineOf(record, step) }));
    query = query.with('added', (db) => db.insertInto('response_steps').values(rows));
  }
  if (report) query = withCalls(query, report, now);
  const columns = { ...recordColumns(record), purge_at: purgeTime(record, context.retention) };
  const row = await query
    .updateTable('responses')
    .set(columns)
    .where('id', '=', record.id)
    .returning('limit_scopes')
    .executeTakeFirst();
  if (hasEnded(record)) await writeEnd(tx, next, now);
  if (!row?.limit_scopes) return;
  const ended = hasEnded(record);
  await settleResponse(tx, { responseId: record.id, scopes: row.limit_scopes, recorded: changed, ended });
}

/** When an agent that begins has to come to an end. */
function deadlineOf({ request }: ResponseRecord, step: Step): { deadline?: RawBuilder<Date> } {
  const limit = isTerminal(step) ? null : timeLimitOf(request, step);
  return limit === null ? {} : { deadline: databaseTimeIn(limit) };
}

function purgeTime(record: ResponseRecord, retention: Retention): RawBuilder<Date> | null {
  if (record.endedAt === null) return null;
  return databaseTimeIn(isStored(record.request) ? retention.storedMs : retention.unstoredMs);
}

async function writeEnd(tx: Transaction<Tables>, next: Transition, now: number): Promise<void> {
  if (next.record.conversationId !== null) await endInConversation(tx, next, next.record.conversationId, now);
  if (next.record.request.body.background) await queueWebhooks(tx, next.record, now);
}

/** The conversation is free again, and richer by the turn, if it came to an end that can be built upon. */
async function endInConversation(
  tx: Transaction<Tables>,
  { record, chain }: Transition,
  conversation: string,
  now: number,
): Promise<void> {
  const row = await tx
    .selectFrom('conversations')
    .select('next_position')
    .where('id', '=', conversation)
    .forUpdate()
    .executeTakeFirst();
  if (!row) return;
  const first = Number(row.next_position);
  const items = record.status === 'completed' || record.status === 'incomplete' ? turnItems(record, chain) : [];
  if (items.length > 0) {
    const rows = items.map((item, index) => ({
      conversation_id: conversation,
      position: first + index,
      id: item.id ?? '',
      item: JSON.stringify(item),
      created_at: new Date(now),
    }));
    // A client may have sent an item that the conversation has already.
    await tx
      .insertInto('conversation_items')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  await tx
    .updateTable('conversations')
    .set({
      next_position: first + items.length,
      active_response_id: sql`NULLIF(active_response_id, ${record.id}::uuid)`,
    })
    .where('id', '=', conversation)
    .execute();
}

async function queueWebhooks(tx: Transaction<Tables>, record: ResponseRecord, now: number): Promise<void> {
  const event = `response.${record.status}`;
  const webhooks = await tx
    .selectFrom('registry_webhooks')
    .select('name')
    .where(sql<boolean>`${event} = ANY(events)`)
    .where(sql<boolean>`owners IS NULL OR ${record.owner} = ANY(owners)`)
    .execute();
  if (webhooks.length === 0) return;
  const rows = webhooks.map(({ name }) => ({
    id: newId(now),
    response_id: record.id,
    owner: record.owner,
    webhook: name,
    event_type: event,
    state: 'pending' as const,
    attempts: 0,
    next_attempt_at: DATABASE_TIME,
    last_status: null,
    last_error: null,
    created_at: DATABASE_TIME,
    ended_at: null,
  }));
  await tx.insertInto('webhook_deliveries').values(rows).execute();
}
