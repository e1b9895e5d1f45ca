/** The transactions that a running chain sees: an outcome is recorded, a start is noted, an attempt is counted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ResultCommand, STEP_HOLD_MS } from '@tailrace/bus';
import { isTerminal, nextMessageAttempt, recordOutcome, type StepOutcome } from '@tailrace/chain';
import {
  chainQuery,
  DATABASE_TIME,
  type Database,
  type LoadedResponse,
  loadChain,
  responseQuery,
  type Tables,
  toRecord,
  toStep,
} from '@tailrace/database';
import type { ResponseId } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import { type Kysely, type Selectable, sql } from 'kysely';
import { bookCalls, type EndedReport } from './analytics.ts';
import type { StoreContext } from './context.ts';
import type { Committed } from './create-response.ts';
import { overdueScopes } from './overdue-scopes.ts';
import { SINCE_TAKEN } from './step-answers.ts';
import { isOpenWork } from './step-work.ts';
import { transitionContext } from './transition-context.ts';
import { writeEntry } from './write-entry.ts';

/**
 * Records a step's outcome once (I5), with all that follows from it; undefined for a response that is not there. The calls
 * that were made for it are booked in any case. Where another attempt has just been told that the step is its own, and may be
 * about to make a call, that is waited for.
 * @throws whatever aborts `signal`
 */
export async function recordResult(
  context: Pick<StoreContext, 'database' | 'retention'>,
  report: EndedReport,
  signal: AbortSignal,
): Promise<Committed | undefined> {
  for (;;) {
    const done = await recordUnlessHeld(context, report);
    if (!done || !('heldForMs' in done)) return done;
    await sleep(done.heldForMs, undefined, { signal });
  }
}

async function recordUnlessHeld(
  context: Pick<StoreContext, 'database' | 'retention'>,
  report: EndedReport,
): Promise<Committed | { heldForMs: number } | undefined> {
  return context.database.transaction().execute(async (tx) => {
    const now = Date.now();
    const row = await responseQuery(tx, report.responseId).forUpdate().executeTakeFirst();
    if (!row) {
      await bookCalls(tx, report, now);
      return undefined;
    }
    const record = toRecord(row);
    const rows = await chainQuery(tx, report.responseId).execute();
    const chain = rows.map(toStep);
    if (isCancelled(report)) {
      await bookCalls(tx, report, now);
      return { fresh: false, record, chain, added: [], asOf: now };
    }
    const heldForMs = await heldAgainst(tx, rows, report);
    if (heldForMs > 0) return { heldForMs };
    const overdue = await overdueScopes(tx, report.responseId, chain);
    const next = recordOutcome(record, chain, { ...report, ...outcomeOf(report) }, transitionContext(now, overdue));
    if (!next) {
      await bookCalls(tx, report, now);
      return { fresh: false, record, chain, added: [], asOf: now };
    }
    await writeEntry(tx, context, next, now, report);
    crashPoint('before-result-commit');
    return { fresh: true, record: next.record, chain: next.chain, added: next.added, asOf: now };
  });
}

/** For how many milliseconds another attempt than the report's may still act on having the step. */
async function heldAgainst(
  tx: Kysely<Tables>,
  chain: readonly Pick<Selectable<Tables['response_steps']>, 'id' | 'taken_by' | 'ended_entry'>[],
  { responseId, stepId, startedAt }: EndedReport,
): Promise<number> {
  const step = chain.find(({ id }) => id === stepId);
  if (!step?.taken_by || step.taken_by.getTime() === startedAt || step.ended_entry !== null) return 0;
  const taken = await tx
    .selectFrom('response_steps')
    .select(SINCE_TAKEN.as('since'))
    .where('response_id', '=', responseId)
    .where('id', '=', stepId)
    .executeTakeFirst();
  const since = taken?.since ?? STEP_HOLD_MS;
  return Math.max(0, Math.ceil(STEP_HOLD_MS - since));
}

/** The step was let go because its response is being cancelled: that, and no outcome of its own, is what ends it. */
function isCancelled(report: EndedReport): boolean {
  return report.kind === 'model_call' && report.error?.code === 'response_cancelled';
}

function outcomeOf(report: EndedReport): StepOutcome {
  switch (report.kind) {
    case 'model_call':
      return {
        kind: report.kind,
        result: report.result,
        error: report.error,
        nextEvent: report.log.nextEvent,
        events: report.events,
      };
    case 'tool_call':
      return { kind: report.kind, outcome: report.outcome };
  }
}
/** A time so many milliseconds ago, by the database's clock: the processes' own may differ. */
export function longAgo(ms: number) {
  return sql<Date>`now() - ${ms} * interval '1 millisecond'`;
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
    .set({ updated_at: DATABASE_TIME })
    .where('id', '=', report.responseId)
    .where('ended_at', 'is', null)
    .execute();
}

/**
 * Takes a response up that nothing has happened to for `afterMs`: each of its open steps gets a further attempt, in a message
 * of its own. Returns the chain as it is then; undefined when it has ended, or somebody else has taken it up.
 */
export async function countAttempt(
  database: Database,
  id: ResponseId,
  afterMs: number,
): Promise<LoadedResponse | undefined> {
  const asOf = Date.now();
  return database.transaction().execute(async (tx) => {
    const row = await responseQuery(tx, id).where('updated_at', '<=', longAgo(afterMs)).forUpdate().executeTakeFirst();
    if (!row || row.ended_at !== null) return undefined;
    await tx.updateTable('responses').set({ updated_at: DATABASE_TIME }).where('id', '=', id).execute();
    const chain = (await loadChain(tx, id)).map((step) =>
      isOpenWork(step) ? { ...step, attempt: nextMessageAttempt(step.attempt) } : step,
    );
    for (const { id: step, attempt } of chain.filter(isOpenWork)) {
      await tx
        .updateTable('response_steps')
        .set({ attempt })
        .where('response_id', '=', id)
        .where('id', '=', step)
        .execute();
    }
    return chain.every(isTerminal) ? undefined : { record: toRecord(row), chain, asOf };
  });
}
