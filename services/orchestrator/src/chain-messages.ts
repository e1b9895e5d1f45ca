/** The messages to the chain, each by its kind, and what becomes of those that cannot be handled. */
import {
  type AskedCommand,
  BlobExpired,
  decodeMessage,
  MalformedMessage,
  type MaxDeliveriesAdvisory,
  payloadOf,
  type QueueMessage,
  type ResultCommand,
  WORK_STREAM,
} from '@tailrace/bus';
import { hasEnded } from '@tailrace/chain';
import { loadResponse } from '@tailrace/database';
import { ApiError, errorInfo, type ResponseId } from '@tailrace/protocol';
import { cancelResponse } from './cancel-response.ts';
import {
  type ChainMessage,
  carryOn,
  handleCancel,
  handleConversation,
  handleCreate,
  handleDeadLetter,
  handleDelete,
  handleRedrive,
  handleResult,
  kindOf,
  refuse,
} from './commands.ts';
import type { OrchestratorContext } from './context.ts';
import { recordResult } from './record-result.ts';
import { isLostCause } from './temporary-error.ts';
import { handleWithdraw } from './withdraw-response.ts';

/** A message of the chain's queue, as far as it is looked at here. */
export type ChainDelivery = Pick<
  QueueMessage,
  'subject' | 'data' | 'headers' | 'redelivered' | 'deliveryCount' | 'term'
>;

/**
 * Handles a message. One that cannot be read is dropped, one that fails for good is given up.
 * @throws whatever it failed with, when it shall be tried again.
 */
export async function handleChainMessage(
  context: OrchestratorContext,
  message: ChainDelivery,
  signal: AbortSignal,
): Promise<void> {
  const kind = kindOf(message);
  let chainMessage: ChainMessage;
  try {
    const bytes = await payloadOf(context.bus, message);
    chainMessage = { subject: message.subject, bytes, redelivered: message.redelivered };
  } catch (error) {
    if (!(error instanceof BlobExpired)) throw error;
    context.log.error({ err: error }, 'dropped a message whose payload has expired');
    message.term();
    return;
  }
  try {
    await handleKind(context, kind, chainMessage, signal);
  } catch (error) {
    if (error instanceof MalformedMessage) {
      context.log.error({ err: error }, 'dropped a message that cannot be read');
      message.term();
    } else if (!signal.aborted && isLostCause(error, message.deliveryCount)) {
      context.log.error({ err: error, kind }, 'gave up a message that cannot be handled');
      await giveUp(context, kind, chainMessage, signal);
    } else throw error;
  }
}

/**
 * Handles what the server tells of work that nobody has brought to an end. What cannot be given up is forgotten: its step is
 * silent from then on, which the sweep finds.
 * @throws as {@link handleChainMessage}.
 */
export async function handleAdvisory(
  context: OrchestratorContext,
  { subject, data: bytes, redelivered, deliveryCount }: Omit<ChainDelivery, 'term'>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await handleDeadLetter(context, { subject, bytes, redelivered }, signal);
  } catch (error) {
    if (signal.aborted || !isLostCause(error, deliveryCount)) throw error;
    context.log.error({ err: error }, 'a step that was delivered too often cannot be given up');
    const advisory = decodeMessage<MaxDeliveriesAdvisory>(subject, bytes);
    await context.bus.jsm.streams.deleteMessage(WORK_STREAM, advisory.stream_seq, false);
  }
}

async function handleKind(
  context: OrchestratorContext,
  kind: string,
  message: ChainMessage,
  signal: AbortSignal,
): Promise<void> {
  switch (kind) {
    case 'create':
      return handleCreate(context, message, signal);
    case 'withdraw':
      return handleWithdraw(context, message, signal);
    case 'cancel':
      return handleCancel(context, message, signal);
    case 'delete':
      return handleDelete(context, message, signal);
    case 'conversation':
      return handleConversation(context, message);
    case 'redrive':
      return handleRedrive(context, message, signal);
    case 'result':
      return handleResult(context, message, signal);
    default:
      throw new MalformedMessage(message.subject, 'nobody handles this kind');
  }
}

/** Whoever waits is told, a step fails, and a response that cannot go on comes to an end. */
async function giveUp(
  context: OrchestratorContext,
  kind: string,
  message: ChainMessage,
  signal: AbortSignal,
): Promise<void> {
  if (kind === 'result') return giveUpResult(context, message, signal);
  if (kind === 'withdraw') return;
  const command = decodeMessage<AskedCommand>(message.subject, message.bytes);
  refuse(context, command, new ApiError('internal_error'));
  // What was to be made may have been made, and be all that cannot be carried on.
  if (kind === 'create' || kind === 'redrive') await endBroken(context, command.id, signal);
}

async function giveUpResult(context: OrchestratorContext, message: ChainMessage, signal: AbortSignal): Promise<void> {
  const report = decodeMessage<ResultCommand>(message.subject, message.bytes);
  if (report.kind === 'started' || report.kind === 'relay') return;
  const error = errorInfo('internal_error');
  const failed: ResultCommand =
    report.kind === 'model_call'
      ? { ...report, result: null, error, calls: [] }
      : { ...report, outcome: { error }, calls: [] };
  const committed = await recordResult(context, failed, signal);
  if (committed?.fresh)
    await carryOn(context, committed, undefined, report.correlationId, signal, 'after-result-append');
  // The step was recorded before: it is what follows from it that fails.
  else if (committed) await endBroken(context, report.responseId, signal);
}

async function endBroken(context: OrchestratorContext, id: ResponseId, signal: AbortSignal): Promise<void> {
  const stored = await loadResponse(context.database, id);
  if (!stored || hasEnded(stored.record)) return;
  await cancelResponse(context, id, signal, errorInfo('internal_error'));
}
