/** What the orchestrator does with each message: commit first, then publish what follows from the chain. */
import {
  type CreateCommand,
  type CreateReply,
  decodeMessage,
  encodeMessage,
  type LogPosition,
  type QueueMessage,
  type ResultCommand,
} from '@tailrace/bus';
import { isTerminal } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import { EMPTY_LOG } from '@tailrace/log';
import { ApiError } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import type { OrchestratorContext } from './context.ts';
import { type Committed, createResponse } from './create-response.ts';
import { dispatch } from './dispatcher.ts';
import { bringLogUpToDate, positionBefore } from './projector.ts';
import { markStarted, recordResult } from './record-result.ts';

/** A message's bytes, and whether it has been delivered before. */
export interface ChainMessage {
  subject: string;
  bytes: Uint8Array;
  redelivered: boolean;
}

/** The kind of a message, from its subject `tr.chain.<p>.<kind>`. */
export function kindOf(message: QueueMessage): string {
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
  let committed: Committed | undefined;
  try {
    committed = await createResponse(context.database, command);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    reply(context, command, { accepted: false, error: error.info, param: error.param });
    return;
  }
  if (!committed) {
    log.warn('dropped a request that nobody waits for any more');
    return;
  }
  crashPoint('after-create-commit');
  reply(context, command, { accepted: true, existed: !committed.fresh });
  if (committed.fresh) {
    await carryOn(context, committed, EMPTY_LOG, command.correlationId, signal, 'after-create-append');
  } else if (message.redelivered) {
    await resume(context, committed, command.correlationId, signal);
  }
  log.info({ fresh: committed.fresh }, 'response accepted');
}

function reply(context: OrchestratorContext, command: CreateCommand, answer: CreateReply): void {
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
  const committed = await recordResult(context.database, report);
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
async function carryOn(
  context: OrchestratorContext,
  committed: Committed,
  known: LogPosition | undefined,
  correlationId: string,
  signal: AbortSignal,
  point: 'after-create-append' | 'after-result-append',
): Promise<void> {
  const position = await bringLogUpToDate(context, committed, known, signal);
  crashPoint(point);
  const open = committed.added.filter((step) => !isTerminal(step));
  await Promise.all(
    open.map((step) => dispatch(context, committed, { step, position, takeover: false }, correlationId, signal)),
  );
}

/** After a crash, or when nobody knows: whatever the chain says should have been published is published again. */
export async function resume(
  context: OrchestratorContext,
  stored: StoredResponse,
  correlationId: string,
  signal: AbortSignal,
): Promise<void> {
  await bringLogUpToDate(context, stored, undefined, signal);
  for (const step of stored.chain.filter((each) => !isTerminal(each))) {
    const position = step.kind === 'model_call' ? await positionBefore(context, stored.record.id, step.id) : EMPTY_LOG;
    await dispatch(context, stored, { step, position, takeover: true }, correlationId, signal);
  }
}
