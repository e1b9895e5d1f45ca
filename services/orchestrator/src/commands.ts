/** What the orchestrator does with each message: commit first, then publish what follows from the chain. */
import {
  type Asked,
  type AskedCommand,
  type ConversationCommand,
  type CreateCommand,
  decodeMessage,
  encodeMessage,
  isWaitedFor,
  LimitReached,
  type LogPosition,
  type MaxDeliveriesAdvisory,
  type QueueMessage,
  type RedriveCommand,
  type Reply,
  type ResponseCommand,
  type ResultCommand,
} from '@tailrace/bus';
import { hasEnded, isStored } from '@tailrace/chain';
import { type LoadedResponse, loadResponse } from '@tailrace/database';
import { EMPTY_LOG } from '@tailrace/log';
import { ApiError, publicResponseId } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import { cancelResponse } from './cancel-response.ts';
import { changeConversation } from './change-conversation.ts';
import type { OrchestratorContext } from './context.ts';
import { type Committed, createResponse, findCreated } from './create-response.ts';
import { deadStepOf, deadWork, recordDeadLetter, redrive } from './dead-letters.ts';
import { dispatch } from './dispatcher.ts';
import { bringLogUpToDate, positionBefore } from './projector.ts';
import { markStarted, recordResult } from './record-result.ts';
import { recordRelay } from './relay-result.ts';
import { removeResponse } from './remove-response.ts';
import { isOpenWork } from './step-work.ts';
import { secondThoughts, withdrawResponse } from './withdraw-response.ts';

/** A message's bytes, and whether it has been delivered before. */
export interface ChainMessage {
  subject: string;
  bytes: Uint8Array;
  redelivered: boolean;
}

/** The kind of a message, from its subject `tr.chain.<p>.<kind>`. */
export function kindOf(message: Pick<QueueMessage, 'subject'>): string {
  return message.subject.slice(message.subject.lastIndexOf('.') + 1);
}

/** A client wants a response. The answer is told as soon as the row is committed, or the request refused. */
export async function handleCreate(
  context: OrchestratorContext,
  message: ChainMessage,
  signal: AbortSignal,
): Promise<void> {
  const command = decodeMessage<CreateCommand>(message.subject, message.bytes);
  const log = context.log.child({ response_id: command.id, correlation_id: command.correlationId });
  const waited = await isWaitedFor(context.bus, command, message.redelivered);
  const make = waited ? createResponse : findCreated;
  const committed = await orRefuse(context, command, () => make(context, command));
  if (!committed) {
    log.info('no response was made');
    return;
  }
  crashPoint('after-create-commit');
  const { redelivered } = message;
  const objection = await secondThoughts(context, command, committed, { redelivered, waited });
  if (objection) {
    await withdrawResponse(context, command.id, signal);
    refuse(context, command, objection);
    log.warn({ code: objection.code }, 'the response was withdrawn');
    return;
  }
  const { rateLimit } = committed;
  reply(context, command, { accepted: true, existed: !committed.fresh, ...(rateLimit ? { rateLimit } : {}) });
  if (committed.fresh) {
    await carryOn(context, committed, EMPTY_LOG, command.correlationId, signal, 'after-create-append');
  } else if (message.redelivered) {
    await resume(context, committed, command.correlationId, signal);
  }
  log.info({ fresh: committed.fresh }, 'response accepted');
}

/** An operator wants a dead letter's response to be made again. */
export async function handleRedrive(
  context: OrchestratorContext,
  message: ChainMessage,
  signal: AbortSignal,
): Promise<void> {
  const command = decodeMessage<RedriveCommand>(message.subject, message.bytes);
  const make = (await isWaitedFor(context.bus, command, message.redelivered)) ? createResponse : findCreated;
  const committed = await orRefuse(context, command, () => redrive(context, command, make));
  if (!committed) return;
  reply(context, command, { accepted: true, existed: !committed.fresh });
  if (committed.fresh) {
    await carryOn(context, committed, EMPTY_LOG, command.correlationId, signal, 'after-create-append');
  } else if (message.redelivered) {
    await resume(context, committed, command.correlationId, signal);
  }
}

/** Work was delivered as often as is allowed. */
export async function handleDeadLetter(
  context: OrchestratorContext,
  message: ChainMessage,
  signal: AbortSignal,
): Promise<void> {
  const advisory = decodeMessage<MaxDeliveriesAdvisory>(message.subject, message.bytes);
  const dead = await deadWork(context, advisory);
  if (!dead) return;
  if (dead.work.kind === 'relay') {
    // Its gateway has told the client long ago.
    await dead.remove();
    return;
  }
  const { responseId, stepId, correlationId } = dead.work;
  const committed = await recordDeadLetter(context, deadStepOf(dead.work, advisory.deliveries), signal);
  const stored = committed ?? (message.redelivered ? await loadResponse(context.database, responseId) : undefined);
  if (committed) await carryOn(context, committed, undefined, correlationId, signal, 'after-result-append');
  else if (stored) await resume(context, stored, correlationId, signal);
  // Last: while it is there, a redelivery of the advisory tells what a crash has kept back.
  await dead.remove();
  if (!committed) return;
  context.log.error({ response_id: responseId, step_id: stepId, attempts: advisory.deliveries }, 'a step was given up');
}

/** A client wants a response to stop, or to be gone. What has ended is not touched again. */
export async function handleCancel(
  context: OrchestratorContext,
  message: ChainMessage,
  signal: AbortSignal,
): Promise<void> {
  const command = decodeMessage<ResponseCommand>(message.subject, message.bytes);
  const done = await orRefuse(context, command, async () => {
    await findOwned(context, command);
    return cancelResponse(context, command.id, signal);
  });
  if (done) reply(context, command, { accepted: true, existed: !done.fresh });
  else if (done === undefined) refuse(context, command, notFound(command));
}

/** See {@link handleCancel}. */
export async function handleDelete(
  context: OrchestratorContext,
  message: ChainMessage,
  signal: AbortSignal,
): Promise<void> {
  const command = decodeMessage<ResponseCommand>(message.subject, message.bytes);
  const done = await orRefuse(context, command, async () => {
    await findOwned(context, command);
    await cancelResponse(context, command.id, signal);
    await removeResponse(context, command.id);
    return true;
  });
  if (done) reply(context, command, { accepted: true, existed: true });
}

/** A client changes a conversation. */
export async function handleConversation(context: OrchestratorContext, message: ChainMessage): Promise<void> {
  const command = decodeMessage<ConversationCommand>(message.subject, message.bytes);
  if (!(await isWaitedFor(context.bus, command, message.redelivered))) return;
  const done = await orRefuse(context, command, () => changeConversation(context, command));
  if (done) reply(context, command, { accepted: true, ...done });
}

/** What an owner cannot read is not there. */
async function findOwned(context: OrchestratorContext, command: ResponseCommand): Promise<void> {
  const stored = await loadResponse(context.database, command.id);
  if (!stored || stored.record.owner !== command.owner) throw notFound(command);
  if (hasEnded(stored.record) && !isStored(stored.record.request)) throw notFound(command);
}

function notFound(command: ResponseCommand): ApiError {
  return new ApiError('response_not_found', { id: publicResponseId(command.id) });
}

/** What `work` comes to; null when it refuses the command, which is told. */
async function orRefuse<T>(
  context: OrchestratorContext,
  command: AskedCommand,
  work: () => Promise<T>,
): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    refuse(context, command, error);
    return null;
  }
}

/** Tells whoever waits for a command that it is not done. */
export function refuse(context: OrchestratorContext, command: Asked, error: ApiError): void {
  const limit = error instanceof LimitReached ? { limit: error.refusal } : {};
  reply(context, command, { accepted: false, error: error.info, param: error.param, ...limit });
}

function reply(context: OrchestratorContext, command: Asked, answer: Reply): void {
  context.bus.nc.publish(command.replyTo, encodeMessage(answer));
}

/** A worker reports. */
export async function handleResult(
  context: OrchestratorContext,
  message: ChainMessage,
  signal: AbortSignal,
): Promise<void> {
  const report = decodeMessage<ResultCommand>(message.subject, message.bytes);
  const log = context.log.child({
    response_id: report.responseId,
    step_id: report.stepId,
    correlation_id: report.correlationId,
  });
  if (report.kind === 'started') {
    await markStarted(context.database, report);
    return;
  }
  if (report.kind === 'relay') {
    await recordRelay(context, report);
    return;
  }
  const committed = await recordResult(context, report, signal);
  if (!committed) {
    log.warn('dropped the result of a response that is not there');
    return;
  }
  crashPoint('after-result-commit');
  if (committed.fresh) {
    const known = report.kind === 'model_call' ? report.log : undefined;
    await carryOn(context, committed, known, report.correlationId, signal, 'after-result-append');
  } else if (message.redelivered) {
    await resume(context, committed, report.correlationId, signal);
  }
  log.info(
    { kind: report.kind, attempt: report.attempt, fresh: committed.fresh, status: committed.record.status },
    'step recorded',
  );
  crashPoint('before-result-ack');
}

/** After an entry: its events, then its steps. */
export async function carryOn(
  context: OrchestratorContext,
  committed: Committed,
  known: LogPosition | undefined,
  correlationId: string,
  signal: AbortSignal,
  point: 'after-create-append' | 'after-result-append',
): Promise<void> {
  const position = await bringLogUpToDate(context, committed, known, signal);
  crashPoint(point);
  const open = committed.added.filter(isOpenWork);
  await Promise.all(
    open.map((step) => dispatch(context, committed, { step, position, takeover: false }, correlationId, signal)),
  );
}

/** How a response is taken up again. */
export interface ResumeOptions {
  /** What becomes of a tool call that a worker has told to be running: its result finds its way without NATS' memory. */
  running?: 'again' | 'leave';
}

/** After a crash, or when nobody knows: whatever the chain says should have been published is published again. */
export async function resume(
  context: OrchestratorContext,
  stored: LoadedResponse,
  correlationId: string,
  signal: AbortSignal,
  { running = 'again' }: ResumeOptions = {},
): Promise<void> {
  await bringLogUpToDate(context, stored, undefined, signal);
  for (const step of stored.chain.filter(isOpenWork)) {
    if (running === 'leave' && step.kind === 'tool_call' && step.outcome.state === 'processing') continue;
    const position = step.kind === 'model_call' ? await positionBefore(context, stored.record.id, step.id) : EMPTY_LOG;
    await dispatch(context, stored, { step, position, takeover: true }, correlationId, signal);
  }
}
