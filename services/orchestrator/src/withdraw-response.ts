/** A response whose client has been told that there is none: nothing runs behind its back, and nothing is left of it. */
import { type CreateCommand, decodeMessage, hasGivenUp, isWaitedFor, type WithdrawCommand } from '@tailrace/bus';
import { findGap } from '@tailrace/database';
import { ApiError, errorInfo, type ResponseId } from '@tailrace/protocol';
import { cancelResponse } from './cancel-response.ts';
import type { ChainMessage } from './commands.ts';
import type { OrchestratorContext } from './context.ts';
import type { Committed } from './create-response.ts';
import { previousNotFound } from './history.ts';
import { removeResponse } from './remove-response.ts';

const REASON = { reason: 'nobody waits for it any more' };

/** See the file's head. One that an `Idempotency-Key` leads to is left alone: its client finds it by sending the key again. */
export async function handleWithdraw(
  context: OrchestratorContext,
  message: ChainMessage,
  signal: AbortSignal,
): Promise<void> {
  const command = decodeMessage<WithdrawCommand>(message.subject, message.bytes);
  const row = await context.database
    .selectFrom('responses')
    .select(['owner', 'body_hash'])
    .where('id', '=', command.id)
    .executeTakeFirst();
  if (row?.owner !== command.owner || row.body_hash !== null) return;
  await withdrawResponse(context, command.id, signal);
  const log = context.log.child({ response_id: command.id, correlation_id: command.correlationId });
  log.warn('withdrawn: its client was told that there is none');
}

/** Ends a response that nobody knows of, and removes it. */
export async function withdrawResponse(
  context: OrchestratorContext,
  id: ResponseId,
  signal: AbortSignal,
): Promise<void> {
  // An error, so that a conversation takes nothing of it over.
  await cancelResponse(context, id, signal, errorInfo('unavailable', REASON));
  await context.database
    .deleteFrom('webhook_deliveries')
    .where('response_id', '=', id)
    .where('attempts', '=', 0)
    .execute();
  await removeResponse(context, id);
}

/** How a command has come to what is committed. */
export interface Circumstances {
  redelivered: boolean;
  /** Whether its answer was waited for before it was committed. */
  waited: boolean;
}

/**
 * Why a response that is committed must not be after all; null when nothing speaks against it. To be asked before anybody is
 * told of it: whoever gives up waiting after this has it withdrawn, and finds it.
 */
export async function secondThoughts(
  { bus, database }: Pick<OrchestratorContext, 'bus' | 'database'>,
  command: CreateCommand,
  { fresh }: Pick<Committed, 'fresh'>,
  { redelivered, waited }: Circumstances,
): Promise<ApiError | null> {
  if (command.bodyHash === null) {
    const unwanted = fresh
      ? !(await isWaitedFor(bus, command, redelivered))
      : redelivered && !waited && (await hasGivenUp(bus, command));
    if (unwanted) return new ApiError('unavailable', REASON);
  }
  const { previousResponseId, detached } = command;
  if (previousResponseId === null || detached || !(fresh || redelivered)) return null;
  const gap = await findGap(database, previousResponseId);
  // What is deleted while it runs is kept for it; what is missing was removed before anybody knew of it.
  if (gap === null || (gap === 'deleted' && !fresh)) return null;
  return previousNotFound(previousResponseId);
}
