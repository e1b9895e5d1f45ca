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
  type StepOutcome,
  type Transition,
} from '@tailrace/chain';
import { loadChain, loadResponse, responseQuery, toRecord } from '@tailrace/database';
import { ApiError, errorInfo, newId, type ResponseId } from '@tailrace/protocol';
import { type ClosedStep, closeStepLogs } from './close-step-log.ts';
import type { OrchestratorContext } from './context.ts';
import type { Committed } from './create-response.ts';
import { bringLogUpToDate } from './projector.ts';
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

/**
 * Records that a step was given up, with what its attempts had published and all that follows from it; undefined when there
 * is nothing to record any more.
 */
export async function recordDeadLetter(
  context: OrchestratorContext,
  work: StepWork,
  attempts: number,
  signal: AbortSignal,
): Promise<Committed | undefined> {
  if (await isCarriedOn(context, work)) return undefined;
  const published = await takeLog(context, work, signal);
  return context.database.transaction().execute(async (tx) => {
    const row = await responseQuery(tx, work.responseId).forUpdate().executeTakeFirst();
    if (!row) return undefined;
    const record = toRecord(row);
    const chain = await loadChain(tx, work.responseId);
    const now = Date.now();
    const report = { ...givenUp(work, attempts, published), ...addressOf(work, attempts, now) };
    const next: Transition | null = recordOutcome(record, chain, report, transitionContext(now));
    if (!next) return undefined;
    await tx
      .insertInto('dead_letters')
      .values({
        id: newId(now),
        response_id: work.responseId,
        step_id: work.stepId,
        owner: record.owner,
        kind: work.kind,
        source: work.kind === 'model_call' ? work.model : work.tool,
        attempts,
        created_at: new Date(now),
        redriven_as: null,
      })
      .execute();
    await writeEntry(tx, context, next, now);
    return { record: next.record, chain: next.chain, fresh: true, added: next.added };
  });
}

/** Whether the step has been handed out in a later message, which is another matter. */
async function isCarriedOn({ database }: OrchestratorContext, work: StepWork): Promise<boolean> {
  const step = (await loadChain(database, work.responseId)).find(({ id }) => id === work.stepId);
  return step !== undefined && isOfLaterMessage(step.attempt, work.attempt);
}

type Published = ClosedStep & { nextEvent: number };

/** No attempt that may still be alive can add anything to a model step's log after this. */
async function takeLog(context: OrchestratorContext, work: StepWork, signal: AbortSignal): Promise<Published> {
  const nothing = { items: [], events: 0, nextEvent: 0 };
  if (work.kind !== 'model_call') return nothing;
  const stored = await loadResponse(context.database, work.responseId);
  const step = stored?.chain.find((each) => each.id === work.stepId);
  if (!stored || step?.kind !== 'model_call' || isTerminal(step)) return nothing;
  await bringLogUpToDate(context, stored, undefined, signal);
  const { closed, end } = await closeStepLogs(context, stored, [step], signal);
  return { ...(closed.get(step.id) ?? nothing), nextEvent: end.nextEvent };
}

function givenUp(work: StepWork, attempts: number, { items, events, nextEvent }: Published): StepOutcome {
  const error = errorInfo('attempts_exhausted', { attempts });
  switch (work.kind) {
    case 'model_call': {
      const result = { items: items.map((item) => ({ item })), finish: 'stop' as const, usage: null };
      return { kind: work.kind, result, error, nextEvent, events };
    }
    case 'tool_call':
      return { kind: work.kind, outcome: { error } };
  }
}

function addressOf({ stepId, attempt }: StepWork, deliveries: number, now: number) {
  return { stepId, attempt: attemptOf(attempt, deliveries), startedAt: now };
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
