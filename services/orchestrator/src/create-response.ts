/** The transaction that begins a chain. */
import { type CreateCommand, LimitReached, type RateLimit } from '@tailrace/bus';
import {
  type AcceptedRequest,
  begin,
  fitPrompt,
  hasEnded,
  isStored,
  needsRecall,
  type ResponseRecord,
  recall,
  resultOf,
  type Step,
  type Transition,
} from '@tailrace/chain';
import {
  type Database,
  findGap,
  type LoadedResponse,
  loadChain,
  loadConversationItems,
  loadHistory,
  loadResponse,
  recordColumns,
  resolveReferences,
  responseQuery,
  stepRow,
  type Tables,
  toRecord,
} from '@tailrace/database';
import { ApiError, publicConversationId, publicResponseId } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import { promptTokens } from '@tailrace/tokens';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { StoreContext } from './context.ts';
import { loadPrompt, previousNotFound } from './history.ts';
import { admitScopes, readRateLimit, settledScopes } from './limits/admission.ts';
import { checkCalls, openCallsAmong, openCallsOf } from './open-calls.ts';
import { transitionContext } from './transition-context.ts';

/** What became of a command: the chain as it stands, and the steps that this transaction added. */
export interface Committed extends LoadedResponse {
  /** False when the chain was there already; then nothing was added now. */
  fresh: boolean;
  added: Step[];
}

/** A response that was made now, or before; `rateLimit` tells where the limits of its key stand, if it has any. */
export interface Created extends Committed {
  rateLimit?: RateLimit;
}

/**
 * Commits a new response with its first step, or finds the one that the command has already made.
 * @throws LimitReached when its key may make none now; nothing is made then.
 * @throws ApiError when the request cannot be accepted; likewise.
 */
export async function createResponse(
  context: Pick<StoreContext, 'database' | 'sealer'>,
  command: CreateCommand,
): Promise<Created | undefined> {
  const { database } = context;
  // Whatever has become meanwhile of what it refers to: the same request is the same response.
  const made = command.bodyHash === null ? undefined : await findCreated(context, command);
  if (made) return made;
  const now = Date.now();
  const request = await accepted(database, command);
  if (command.conversationId !== null) return createInConversation(context, command, request, now);
  await checkPrevious(database, command, request);
  const record = await recalled(database, recordOf(command, request, null));
  await checkLength(context, record);
  const first = begin(record, transitionContext(now));
  crashPoint('before-create-commit');
  if (command.limits.length > 0) return insertLimited(context, command, first, now);
  if (await insertResponse(database, command, first)) return fresh(first, now);
  return findCreated(context, command);
}

function fresh({ record, chain, added }: Transition, asOf: number, rateLimit?: RateLimit): Created {
  return { fresh: true, record, chain, added, asOf, ...(rateLimit ? { rateLimit } : {}) };
}

/** The limits and the response in one transaction: what is refused leaves no row, and what is there is not counted again. */
async function insertLimited(
  context: Pick<StoreContext, 'database'>,
  command: CreateCommand,
  first: Transition,
  now: number,
): Promise<Created | undefined> {
  try {
    const rateLimit = await context.database.transaction().execute((tx) => insertAdmitted(tx, command, first));
    return rateLimit ? fresh(first, now, rateLimit) : await findCreated(context, command);
  } catch (error) {
    if (!(error instanceof LimitReached)) throw error;
    const created = await findCreated(context, command);
    if (!created) throw error;
    return created;
  }
}

/** Where the limits stand then; undefined when the response is there already. */
async function insertAdmitted(
  tx: Transaction<Tables>,
  command: CreateCommand,
  first: Transition,
): Promise<RateLimit | undefined> {
  const { rateLimit, take } = await admitScopes(tx, command.limits);
  if (!(await insertResponse(tx, command, first))) return undefined;
  await take({ kind: 'response', id: command.id });
  return rateLimit;
}

async function accepted(database: Database, command: CreateCommand): Promise<AcceptedRequest> {
  const { request, owner } = command;
  const input = await resolveReferences(database, owner, request.body.input);
  return { ...request, body: { ...request.body, input } };
}

type NewRecord = Omit<ResponseRecord, 'entries' | 'nextEvent'>;

function recordOf(command: CreateCommand, request: AcceptedRequest, conversationPosition: number | null): NewRecord {
  const { id, owner, previousResponseId, conversationId, createdAt } = command;
  return {
    id,
    owner,
    request,
    status: 'in_progress',
    error: null,
    incompleteReason: null,
    previousResponseId,
    conversationId,
    conversationPosition,
    createdAt,
    endedAt: null,
  };
}

/** The response with what the turns before it tell of MCP servers, and what its input says to that. */
async function recalled(database: Kysely<Tables>, record: NewRecord): Promise<NewRecord> {
  if (!needsRecall(record.request)) return record;
  return { ...record, request: recall(record.request, await loadHistory(database, record)) };
}

/** One response at a time is made in a conversation: its row is held while another one is begun. */
async function createInConversation(
  context: Pick<StoreContext, 'database' | 'sealer'>,
  command: CreateCommand,
  request: AcceptedRequest,
  now: number,
): Promise<Created | undefined> {
  const { id, owner, conversationId } = command;
  if (conversationId === null) throw new Error('the command names no conversation');
  const made = await context.database.transaction().execute(async (tx): Promise<Created | undefined> => {
    const row = await tx
      .selectFrom('conversations')
      .selectAll()
      .where('id', '=', conversationId)
      .forUpdate()
      .executeTakeFirst();
    if (!row || row.owner !== owner) {
      const detail = { id: publicConversationId(conversationId) };
      throw new ApiError('conversation_not_found', detail, { param: 'conversation' });
    }
    if (await responseQuery(tx, id).executeTakeFirst()) return undefined;
    if (row.active_response_id !== null && (await isLive(tx, row.active_response_id))) {
      throw new ApiError('conversation_locked', {}, { param: 'conversation' });
    }
    const position = Number(row.next_position);
    const items = await loadConversationItems(tx, conversationId, position);
    checkCalls(openCallsAmong(items.map(({ item }) => item)), request);
    const record = await recalled(tx, recordOf(command, request, position));
    await checkLength({ database: tx, sealer: context.sealer }, record);
    const first = begin(record, transitionContext(now));
    await tx.updateTable('conversations').set({ active_response_id: id }).where('id', '=', conversationId).execute();
    const limited = command.limits.length > 0;
    const rateLimit = limited ? await insertAdmitted(tx, command, first) : undefined;
    if (!limited) await insertResponse(tx, command, first);
    crashPoint('before-create-commit');
    return fresh(first, now, rateLimit);
  });
  return made ?? findCreated(context, command);
}

async function isLive(database: Kysely<Tables>, id: string): Promise<boolean> {
  const row = await database.selectFrom('responses').select('ended_at').where('id', '=', id).executeTakeFirst();
  return row !== undefined && row.ended_at === null;
}

/** One statement, and so one transaction: the response, and its first steps if it was not there before. */
async function insertResponse(database: Kysely<Tables>, command: CreateCommand, first: Transition): Promise<boolean> {
  const { record } = first;
  const response = database
    .insertInto('responses')
    .values({
      id: record.id,
      owner: record.owner,
      request: JSON.stringify(record.request),
      body_hash: command.bodyHash,
      previous_response_id: record.previousResponseId,
      conversation_id: record.conversationId,
      conversation_position: record.conversationPosition,
      correlation_id: command.correlationId,
      created_at: new Date(record.createdAt),
      key_name: command.keyName,
      limit_scopes: settledScopes(command.limits),
      ...recordColumns(record),
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id');
  const steps = JSON.stringify(
    first.added.map((step) => ({
      ...stepRow(record.id, step),
      // What a row has as text is a part of the whole here.
      request_payload: step.request,
      response_payload: resultOf<unknown>(step.outcome),
      error: step.outcome.state === 'failed' ? step.outcome.error : null,
    })),
  );
  const result = await sql`
    WITH made AS (${response})
    INSERT INTO response_steps
    SELECT steps.* FROM made, json_populate_recordset(NULL::response_steps, ${steps}::json) AS steps
    RETURNING id`.execute(database);
  return result.rows.length > 0;
}

/**
 * The response that a command has made before; undefined when it has made none.
 * @throws ApiError `idempotency_key_reused`
 */
export async function findCreated(
  { database }: Pick<StoreContext, 'database'>,
  command: CreateCommand,
): Promise<Created | undefined> {
  const asOf = Date.now();
  const row = await responseQuery(database, command.id).executeTakeFirst();
  if (!row) return undefined;
  if (row.owner !== command.owner || row.body_hash !== command.bodyHash) {
    throw new ApiError('idempotency_key_reused');
  }
  const chain = await loadChain(database, command.id);
  const found = { fresh: false, record: toRecord(row), chain, added: [], asOf };
  if (command.limits.length === 0) return found;
  return { ...found, rateLimit: await readRateLimit(database, command.limits) };
}

/**
 * A request may only go on from a stored response of the same owner that has ended, and whose earlier turns are all there; it
 * must answer the open calls.
 */
async function checkPrevious(database: Database, command: CreateCommand, request: AcceptedRequest): Promise<void> {
  const { previousResponseId, owner, detached } = command;
  if (previousResponseId === null || detached) return checkCalls(openCallsAmong(request.context ?? []), request);
  const previous = await loadResponse(database, previousResponseId);
  const id = publicResponseId(previousResponseId);
  if (!previous || previous.record.owner !== owner || !isStored(previous.record.request)) {
    throw previousNotFound(previousResponseId);
  }
  if ((await findGap(database, previousResponseId)) !== null) throw previousNotFound(previousResponseId);
  if (!hasEnded(previous.record)) {
    throw new ApiError('previous_response_in_progress', { id }, { param: 'previous_response_id' });
  }
  checkCalls(openCallsOf(previous.chain), request);
}

/** Where the operator has said how much a model's window holds, what does not fit and must not be cut is refused. */
async function checkLength(
  context: { database: Kysely<Tables>; sealer: StoreContext['sealer'] },
  record: NewRecord,
): Promise<void> {
  const { request } = record;
  const window = request.context_window ?? null;
  if (window === null) return;
  const limit = window - (request.body.max_output_tokens ?? 0);
  const whole = await loadPrompt(context, record, [], null);
  const shown = request.body.truncation === 'auto' ? fitPrompt(whole, limit, promptTokens) : whole;
  const tokens = promptTokens(shown);
  if (tokens > limit) throw new ApiError('context_length_exceeded', { tokens, limit }, { param: 'input' });
}
