/** Work that was delivered as often as is allowed: its step fails, its queue moves on, and it can be done again by hand. */
import {
  type CreateCommand,
  decodeMessage,
  dropPayload,
  type MaxDeliveriesAdvisory,
  payloadOf,
  type RedriveCommand,
  type StepWork,
  WORK_STREAM,
  type Work,
} from '@tailrace/bus';
import {
  attemptOf,
  isOfLaterMessage,
  isTerminal,
  recordOutcome,
  type Step,
  type StepOutcome,
  type Transition,
} from '@tailrace/chain';
import { loadChain, loadResponse, responseQuery, type StoredResponse, toRecord } from '@tailrace/database';
import { EMPTY_LOG, LogShares } from '@tailrace/log';
import { ApiError, errorInfo, newId, type ResponseId, type StepId } from '@tailrace/protocol';
import { type ClosedStep, closeStepLogs } from './close-step-log.ts';
import type { OrchestratorContext } from './context.ts';
import type { Committed } from './create-response.ts';
import { overdueScopes } from './overdue-scopes.ts';
import { bringLogUpToDate, logOf } from './projector.ts';
import { transitionContext } from './transition-context.ts';
import { writeEntry } from './write-entry.ts';

/** A message of {@link WORK_STREAM} that nobody will be given any more. */
export interface DeadWork {
  work: Work;
  /** Takes the message out of its queue. */
  remove(): Promise<void>;
}

/** The work that an advisory is about; undefined when it has gone meanwhile. */
export async function deadWork(
  context: OrchestratorContext,
  advisory: MaxDeliveriesAdvisory,
): Promise<DeadWork | undefined> {
  const { bus } = context;
  const message = await bus.jsm.streams.getMessage(WORK_STREAM, { seq: advisory.stream_seq });
  if (!message) return undefined;
  const headers = message.header;
  const bytes = await payloadOf(bus, { data: message.data, headers });
  return {
    work: decodeMessage<Work>(message.subject, bytes),
    async remove() {
      await bus.jsm.streams.deleteMessage(WORK_STREAM, advisory.stream_seq, false);
      await dropPayload(bus, { headers });
    },
  };
}

/** A step that is given up. */
export interface DeadStep {
  responseId: ResponseId;
  stepId: StepId;
  kind: StepWork['kind'];
  /** The model's or the tool's name. */
  source: string;
  /** The first attempt of the message that came to nothing. */
  message: number;
  /** The last attempt that is known of. */
  attempt: number;
  /** How often the step was begun, as far as is known. */
  attempts: number;
}

/** The step of a message that was delivered so often. */
export function deadStepOf(work: StepWork, deliveries: number): DeadStep {
  const { responseId, stepId, kind, attempt: message } = work;
  const source = work.kind === 'model_call' ? work.model : work.tool;
  const attempt = attemptOf(message, deliveries);
  return { responseId, stepId, kind, source, message, attempt, attempts: deliveries };
}

/**
 * Records that a step was given up, with what its attempts had published and all that follows from it; undefined when there
 * is nothing to record any more.
 */
export async function recordDeadLetter(
  context: OrchestratorContext,
  dead: DeadStep,
  signal: AbortSignal,
): Promise<Committed | undefined> {
  const { responseId, stepId, kind, source, attempt, attempts } = dead;
  const published = await takeLog(context, dead, signal);
  if (published === undefined) return undefined;
  const asOf = Date.now();
  return context.database.transaction().execute(async (tx) => {
    const row = await responseQuery(tx, responseId).forUpdate().executeTakeFirst();
    if (!row) return undefined;
    const record = toRecord(row);
    const chain = await loadChain(tx, responseId);
    // A log that is closed stays closed to whatever a sweep has handed out meanwhile; a tool may be called in a later message.
    const final = kind === 'model_call';
    if (!final && isCarriedOn(chain, dead)) return undefined;
    const now = Date.now();
    const report = { ...givenUp(dead, published), stepId, attempt, startedAt: now, final };
    const overdue = await overdueScopes(tx, responseId, chain);
    const next: Transition | null = recordOutcome(record, chain, report, transitionContext(now, overdue));
    if (!next) return undefined;
    await tx
      .insertInto('dead_letters')
      .values({
        id: newId(now),
        response_id: responseId,
        step_id: stepId,
        owner: record.owner,
        kind,
        source,
        attempts,
        created_at: new Date(now),
        redriven_as: null,
      })
      .execute();
    await writeEntry(tx, context, next, now);
    return { record: next.record, chain: next.chain, fresh: true, added: next.added, asOf };
  });
}

/** Whether the step has been handed out in a later message, which is another matter. */
function isCarriedOn(chain: readonly Step[], { stepId, message }: DeadStep): boolean {
  const step = chain.find(({ id }) => id === stepId);
  return step !== undefined && isOfLaterMessage(step.attempt, message);
}

type Published = ClosedStep & { nextEvent: number };

/**
 * No attempt that may still be alive can add anything to a model step's log after this. Undefined for a step that a later
 * message carries on; one whose log was closed already is nobody's, whoever was to carry it on.
 */
async function takeLog(
  context: OrchestratorContext,
  dead: DeadStep,
  signal: AbortSignal,
): Promise<Published | undefined> {
  const { responseId, stepId } = dead;
  const nothing = { items: [], events: 0, nextEvent: 0 };
  const stored = await loadResponse(context.database, responseId);
  const step = stored?.chain.find(({ id }) => id === stepId);
  if (!stored || !step || isTerminal(step)) return undefined;
  const carriedOn = isCarriedOn(stored.chain, dead);
  if (step.kind !== 'model_call') return carriedOn ? undefined : nothing;
  if (carriedOn && !(await isClosed(context, stored, step))) return undefined;
  await bringLogUpToDate(context, stored, undefined, signal);
  const { closed, end } = await closeStepLogs(context, stored, [step], signal);
  return { ...(closed.get(step.id) ?? nothing), nextEvent: end.nextEvent };
}

async function isClosed(context: OrchestratorContext, { record }: StoredResponse, { id }: Step): Promise<boolean> {
  const shares = new LogShares(logOf(context, record.id), EMPTY_LOG, [id]);
  await shares.readOn();
  const { closed, seal } = shares.of(id);
  // One that has come to its end has a result, which its next attempt tells.
  return closed && seal === null;
}

function givenUp({ kind, attempts }: DeadStep, { items, events, nextEvent }: Published): StepOutcome {
  const error = errorInfo('attempts_exhausted', { attempts });
  switch (kind) {
    case 'model_call': {
      const result = { items: items.map((item) => ({ item })), finish: 'stop' as const, usage: null };
      return { kind, result, error, nextEvent, events };
    }
    case 'tool_call':
      return { kind, outcome: { error } };
  }
}

/**
 * Makes the response of a dead letter again, as a new one, by `make`.
 * @throws ApiError `dead_letter_not_found`
 */
export async function redrive(
  context: OrchestratorContext,
  command: RedriveCommand,
  make: (context: OrchestratorContext, command: CreateCommand) => Promise<Committed | undefined>,
): Promise<Committed | undefined> {
  const letter = await context.database
    .selectFrom('dead_letters')
    .selectAll()
    .where('id', '=', command.deadLetter)
    .executeTakeFirst();
  const dead = letter && (await loadResponse(context.database, letter.response_id));
  if (!letter || !dead) throw new ApiError('dead_letter_not_found', { id: command.deadLetter });
  const { owner, request, previousResponseId } = dead.record;
  const committed = await make(context, {
    ...command,
    owner,
    request,
    previousResponseId,
    conversationId: null,
    detached: request.context !== undefined,
    bodyHash: null,
    keyName: await keyOf(context, letter.response_id),
    // It is the operator who asks.
    limits: [],
    createdAt: Date.now(),
  });
  if (committed) {
    await context.database
      .updateTable('dead_letters')
      .set({ redriven_as: command.id })
      .where('id', '=', letter.id)
      .execute();
  }
  return committed;
}

async function keyOf({ database }: OrchestratorContext, id: ResponseId): Promise<string | null> {
  const row = await database.selectFrom('responses').select('key_name').where('id', '=', id).executeTakeFirst();
  return row?.key_name ?? null;
}
