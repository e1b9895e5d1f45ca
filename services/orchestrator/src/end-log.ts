/** Makes sure that the log of a response that has ended says so. */
import { hasEnded } from '@tailrace/chain';
import { loadResponse } from '@tailrace/database';
import { readEnd } from '@tailrace/log';
import type { ResponseId } from '@tailrace/protocol';
import type { OrchestratorContext } from './context.ts';
import { finishLog, logOf } from './projector.ts';

/**
 * Appends to the log of a response that has ended what it still lacks. It may be called any number of times, by several
 * processes at once: each append is fenced. A log that is not there at all is left alone, because gateways project the
 * stream from the chain then.
 * @returns whether the log lacked its end, and has it now.
 * @throws whatever aborts `signal`.
 */
export async function endLogOf(context: OrchestratorContext, id: ResponseId, signal: AbortSignal): Promise<boolean> {
  const end = await readEnd(logOf(context, id));
  if (end === undefined || end.meta.ended !== null) return false;
  const stored = await loadResponse(context.database, id);
  if (!stored || !hasEnded(stored.record)) return false;
  await finishLog(context, stored, signal);
  return true;
}
