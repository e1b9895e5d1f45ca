/** The orchestrator's transactions: one for each entry of a chain's journal. */
import type { CreateCommand, ResultCommand } from '@tailrace/bus';
import {
  begin,
  hasEnded,
  isTerminal,
  liveCalls,
  recordOutcome,
  type Step,
  type StepOutcome,
  type Transition,
} from '@tailrace/chain';
import {
  type Database,
  loadChain,
  loadResponse,
  outcomeColumns,
  recordColumns,
  responseQuery,
  type StoredResponse,
  stepRow,
  type Tables,
  toRecord,
} from '@tailrace/database';
import { ApiError, type InputItem, newId, publicResponseId, type ResponseId } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import type { Transaction } from 'kysely';

/** What became of a command: the chain as it stands, and the steps that this transaction added. */
export interface Committed extends StoredResponse {
  /** False when the chain was there already; then nothing was added now. */
  fresh: boolean;
  added: Step[];
}

/**
 * Commits a new response with its first step, or finds the one that the command has already made; undefined for a
 * command that has expired before it made one.
 * @throws ApiError when the request cannot be accepted; nothing is made then.
 */
export async function createResponse(database: Database, command: CreateCommand): Promise<Committed | undefined> {
  const now = Date.now();
  // The client has been told to try again: what is not there yet must not come to be behind its back.
  if (command.expiresAt < now) return findCreated(database, command);
  await checkPrevious(database, command);
  const { id, owner, request, previousResponseId, createdAt } = command;
  const first = begin(
    {
      id,
      owner,
      request,
      status: 'in_progress',
      error: null,
      incompleteReason: null,
      previousResponseId,
      createdAt,
      endedAt: null,
    },
    { now, newId: () => newId(now) },
  );
  crashPoint('before-create-commit');
  const inserted = await database.transaction().execute(async (tx) => {
    const row = await tx
      .insertInto('responses')
      .values({
        id,
        owner,
        request: JSON.stringify(request),
        body_hash: command.bodyHash,
        previous_response_id: previousResponseId,
        correlation_id: command.correlationId,
        created_at: new Date(createdAt),
        ...(recordColumns(first.record, now) as {
          status: 'in_progress';
          entries: number;
          next_event: number;
          updated_at: Date;
        }),
      })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .returning('id')
      .executeTakeFirst();
    if (row)
      await tx
        .insertInto('response_steps')
        .values(first.added.map((step) => stepRow(id, step)))
        .execute();
    return row !== undefined;
  });
  if (inserted) return { fresh: true, record: first.record, chain: first.chain, added: first.added };
  return findCreated(database, command);
}

async function findCreated(database: Database, command: CreateCommand): Promise<Committed | undefined> {
  const row = await responseQuery(database, command.id).executeTakeFirst();
  if (!row) return undefined;
  if (row.owner !== command.owner || row.body_hash !== command.bodyHash) {
    throw new ApiError('idempotency_key_reused');
  }
  return { fresh: false, record: toRecord(row), chain: await loadChain(database, command.id), added: [] };
}

/** A request may only go on from a response of the same owner that has ended, and must answer its open calls. */
async function checkPrevious(database: Database, command: CreateCommand): Promise<void> {
  const { previousResponseId, owner, request } = command;
  if (previousResponseId === null) return checkCalls([], request.body.input);
  const previous = await loadResponse(database, previousResponseId);
  const id = publicResponseId(previousResponseId);
  if (!previous || previous.record.owner !== owner) {
    throw new ApiError('previous_response_not_found', { id }, { param: 'previous_response_id' });
  }
  if (!hasEnded(previous.record)) {
    throw new ApiError('previous_response_in_progress', { id }, { param: 'previous_response_id' });
  }
  checkCalls(openCalls(previous.chain), request.body.input);
}

/** Every call has one output after it, and every output a call before it: model servers refuse anything else. */
function checkCalls(open: readonly string[], input: readonly InputItem[]): void {
  const waiting = new Set(open);
  for (const item of input) {
    if (item.type === 'function_call') waiting.add(item.call_id);
    if (item.type !== 'function_call_output' || waiting.delete(item.call_id)) continue;
    throw new ApiError('unknown_call_id', { call_id: item.call_id }, { param: 'input' });
  }
  const [missing] = waiting;
  if (missing !== undefined) throw new ApiError('tool_output_missing', { call_id: missing }, { param: 'input' });
}

/** The calls of the last model step that nothing has answered. */
function openCalls(chain: readonly Step[]): string[] {
  const model = chain.findLast((step) => step.kind === 'model_call');
  if (model?.kind !== 'model_call' || model.outcome.state !== 'completed') return [];
  const run = new Set(chain.flatMap((step) => (step.kind === 'tool_call' ? [step.request.call_id] : [])));
  return liveCalls(model.outcome.result)
    .map((call) => call.call_id)
    .filter((call) => !run.has(call));
}

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
    await writeTransition(tx, next, now);
    await writeAnalytics(tx, report, now);
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

async function writeTransition(tx: Transaction<Tables>, next: Transition, now: number): Promise<void> {
  const { record, changed, added } = next;
  if (changed) {
    await tx
      .updateTable('response_steps')
      .set(outcomeColumns(changed))
      .where('response_id', '=', record.id)
      .where('id', '=', changed.id)
      .execute();
  }
  if (added.length > 0) {
    await tx
      .insertInto('response_steps')
      .values(added.map((step) => stepRow(record.id, step)))
      .execute();
  }
  await tx.updateTable('responses').set(recordColumns(record, now)).where('id', '=', record.id).execute();
}

async function writeAnalytics(tx: Transaction<Tables>, report: EndedReport, now: number): Promise<void> {
  if (report.calls.length === 0) return;
  const key = (call: number) => ({
    response_id: report.responseId,
    response_step_id: report.stepId,
    attempt: report.attempt,
    call,
    recorded_at: new Date(now),
  });
  switch (report.kind) {
    case 'model_call':
      await tx
        .insertInto('http_analytics')
        .values(
          report.calls.map((call, index) => ({
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
          })),
        )
        .execute();
      return;
    case 'tool_call':
      await tx
        .insertInto('tool_call_analytics')
        .values(
          report.calls.map((call, index) => ({
            ...key(index + 1),
            tool: call.tool,
            status: call.status,
            duration_ms: call.durationMs,
            error_code: call.errorCode,
          })),
        )
        .execute();
  }
}

/** Notes that a worker is at a step. What has ended stays as it is. */
export async function markStarted(
  database: Database,
  report: Extract<ResultCommand, { kind: 'started' }>,
): Promise<void> {
  await database.transaction().execute(async (tx) => {
    await tx
      .updateTable('response_steps')
      .set({ state: 'processing', started_at: new Date(report.startedAt), attempt: report.attempt })
      .where('response_id', '=', report.responseId)
      .where('id', '=', report.stepId)
      .where('state', 'in', ['pending', 'processing'])
      .where('attempt', '<=', report.attempt)
      .execute();
    await tx.updateTable('responses').set({ updated_at: new Date() }).where('id', '=', report.responseId).execute();
  });
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
