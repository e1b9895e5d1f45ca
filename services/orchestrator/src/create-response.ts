/** The transaction that begins a chain. */
import type { CreateCommand } from '@tailrace/bus';
import { begin, hasEnded, liveCalls, type Step, type Transition } from '@tailrace/chain';
import {
  type Database,
  loadChain,
  loadResponse,
  recordColumns,
  responseQuery,
  type StoredResponse,
  stepRow,
  toRecord,
} from '@tailrace/database';
import { ApiError, type InputItem, newId, publicResponseId } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import { sql } from 'kysely';

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
  const inserted = await insertResponse(database, command, first);
  if (inserted) return { fresh: true, record: first.record, chain: first.chain, added: first.added };
  return findCreated(database, command);
}

/** One statement, and so one transaction: the response, and its first steps if it was not there before. */
async function insertResponse(database: Database, command: CreateCommand, first: Transition): Promise<boolean> {
  const { record } = first;
  const response = database
    .insertInto('responses')
    .values({
      id: record.id,
      owner: record.owner,
      request: JSON.stringify(record.request),
      body_hash: command.bodyHash,
      previous_response_id: record.previousResponseId,
      correlation_id: command.correlationId,
      created_at: new Date(record.createdAt),
      ...recordColumns(record, record.createdAt),
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id');
  const steps = JSON.stringify(
    first.added.map((step) => ({ ...stepRow(record.id, step), request_payload: step.request })),
  );
  const result = await sql`
    WITH made AS (${response})
    INSERT INTO response_steps
    SELECT steps.* FROM made, json_populate_recordset(NULL::response_steps, ${steps}::json) AS steps
    RETURNING id`.execute(database);
  return result.rows.length > 0;
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
