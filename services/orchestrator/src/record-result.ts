/** The transactions that a running chain sees: an outcome is recorded, a start is noted, an attempt is counted. */
import type { ResultCommand } from '@tailrace/bus';
import { isTerminal, recordOutcome, type StepOutcome, type Transition } from '@tailrace/chain';
import {
  type Database,
  loadChain,
  outcomeColumns,
  recordColumns,
  responseQuery,
  type StoredResponse,
  stepRow,
  type Tables,
  toRecord,
} from '@tailrace/database';
import { newId, type ResponseId } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import type { QueryCreator, Transaction } from 'kysely';
import type { Committed } from './create-response.ts';

type EndedReport = Exclude<ResultCommand, { kind: 'started' }>;

/** Records a step's outcome once (I5), with all that follows from it; undefined for a response that is not there. */
export async function recordResult(database: Database, report: EndedReport): Promise<Committed | undefined> {
  return database.transaction().execute(async (tx) => {
    const row = await responseQuery(tx, report.responseId).forUpdate().executeTakeFirst();
    if (!row) return undefined;
    const record = toRecord(row);
    const chain = await loadChain(tx, report.responseId);
    const now = Date.now();
    const next = recordOutcome(record, chain, { ...report, ...outcomeOf(report) }, { now, newId: () => newId(now) });
    if (!next) return { fresh: false, record, chain, added: [] };
    await writeEntry(tx, next, report, now);
    crashPoint('before-result-commit');
    return { fresh: true, record: next.record, chain: next.chain, added: next.added };
  });
}

function outcomeOf(report: EndedReport): StepOutcome {
  switch (report.kind) {
    case 'model_call':
      return { kind: report.kind, result: report.result, error: report.error, nextEvent: report.log.nextEvent };
    case 'tool_call':
      return { kind: report.kind, outcome: report.outcome };
  }
}

/** Everything that an entry writes, in one statement. */
async function writeEntry(tx: Transaction<Tables>, next: Transition, report: EndedReport, now: number): Promise<void> {
  const { record, changed, added } = next;
  let query: QueryCreator<Tables> = tx;
  if (changed) {
    query = query.with('changed', (db) =>
      db
        .updateTable('response_steps')
        .set(outcomeColumns(changed))
        .where('response_id', '=', record.id)
        .where('id', '=', changed.id),
    );
  }
  if (added.length > 0) {
    const rows = added.map((step) => stepRow(record.id, step));
    query = query.with('added', (db) => db.insertInto('response_steps').values(rows));
  }
  if (report.calls.length > 0) query = withAnalytics(query, report, now);
  await query.updateTable('responses').set(recordColumns(record, now)).where('id', '=', record.id).execute();
}

function withAnalytics(query: QueryCreator<Tables>, report: EndedReport, now: number): QueryCreator<Tables> {
  const key = (call: number) => ({
    response_id: report.responseId,
    response_step_id: report.stepId,
    attempt: report.attempt,
    call,
    recorded_at: new Date(now),
  });
  switch (report.kind) {
    case 'model_call': {
      const rows = report.calls.map((call, index) => ({
        ...key(index + 1),
        model: call.model,
        upstream: call.upstream,
        status: call.status,
        ttfb_ms: call.ttfbMs,
        duration_ms: call.durationMs,
        error_code: call.errorCode,
        input_tokens: call.inputTokens,
        cached_tokens: call.cachedTokens,
        output_tokens: call.outputTokens,
        reasoning_tokens: call.reasoningTokens,
      }));
      return query.with('measured', (db) => db.insertInto('http_analytics').values(rows));
    }
    case 'tool_call': {
      const rows = report.calls.map((call, index) => ({
        ...key(index + 1),
        tool: call.tool,
        status: call.status,
        duration_ms: call.durationMs,
        error_code: call.errorCode,
      }));
      return query.with('measured', (db) => db.insertInto('tool_call_analytics').values(rows));
    }
  }
}

/** Notes that a worker is at a step. What has ended stays as it is. */
export async function markStarted(
  database: Database,
  report: Extract<ResultCommand, { kind: 'started' }>,
): Promise<void> {
  await database
    .with('step', (db) =>
      db
        .updateTable('response_steps')
        .set({ state: 'processing', started_at: new Date(report.startedAt), attempt: report.attempt })
        .where('response_id', '=', report.responseId)
        .where('id', '=', report.stepId)
        .where('state', 'in', ['pending', 'processing'])
        .where('attempt', '<=', report.attempt),
    )
    .updateTable('responses')
    .set({ updated_at: new Date() })
    .where('id', '=', report.responseId)
    .execute();
}

/**
 * Takes a response up that nothing has happened to for `afterMs`: counts another attempt at each of its open steps, and
 * returns the chain as it is then. Undefined when it has ended, or somebody else has taken it up.
 */
export async function countAttempt(
  database: Database,
  id: ResponseId,
  afterMs: number,
): Promise<StoredResponse | undefined> {
  return database.transaction().execute(async (tx) => {
    const row = await responseQuery(tx, id).forUpdate().executeTakeFirst();
    if (!row || row.ended_at !== null || row.updated_at.getTime() > Date.now() - afterMs) return undefined;
    await tx.updateTable('responses').set({ updated_at: new Date() }).where('id', '=', id).execute();
    await tx
      .updateTable('response_steps')
      .set((columns) => ({ attempt: columns('attempt', '+', 1) }))
      .where('response_id', '=', id)
      .where('state', 'in', ['pending', 'processing'])
      .execute();
    const chain = await loadChain(tx, id);
    return chain.every(isTerminal) ? undefined : { record: toRecord(row), chain };
  });
}
