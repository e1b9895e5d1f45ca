/**
 * Cancels a response, whoever works on it: its log is closed first, so that nothing more can be written to it, then what
 * had been published is recorded with the end. A worker that does not hear of it finds the log closed.
 */
import { cancelledSubject } from '@tailrace/bus';
import { cancel, expire, hasEnded, type ModelResult, type Published } from '@tailrace/chain';
import { loadChain, loadResponse, responseQuery, type StoredResponse, toRecord } from '@tailrace/database';
import type { ErrorInfo, ResponseId, StepId } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import type { OrchestratorContext } from './context.ts';
import type { Committed } from './create-response.ts';
import { breakOffSteps, isOpenModelStep } from './partial-results.ts';
import { bringLogUpToDate, finishLog } from './projector.ts';
import { writeEntry } from './write-entry.ts';

/**
 * Cancels a response, or ends it with an error; undefined when there is none. `fresh` is false for one that had ended
 * already.
 * @throws whatever aborts `signal`.
 */
export async function cancelResponse(
  context: OrchestratorContext,
  id: ResponseId,
  signal: AbortSignal,
  error: ErrorInfo | null = null,
): Promise<Committed | undefined> {
  for (;;) {
    const stored = await loadResponse(context.database, id);
    if (!stored) return undefined;
    if (hasEnded(stored.record)) {
      // The end may have been committed by a process that could not tell it any more.
      await finishLog(context, stored, signal);
      return { ...stored, fresh: false, added: [] };
    }
    context.bus.nc.publish(cancelledSubject(id));
    const closed = await closeLog(context, stored, signal);
    crashPoint('before-cancel-commit');
    const committed = await commitEnd(context, stored, closed, error);
    if (committed === 'moved on') continue;
    crashPoint('after-cancel-commit');
    if (committed?.fresh) {
      // Whoever has asked in the meantime was told that the response goes on.
      context.bus.nc.publish(cancelledSubject(id));
      await bringLogUpToDate(context, committed, undefined, signal);
    }
    return committed;
  }
}

/** Nothing more can be appended for the model steps that are open; what they have published is known then. */
async function closeLog(context: OrchestratorContext, stored: StoredResponse, signal: AbortSignal): Promise<Published> {
  const { left, end } = await breakOffSteps(context, stored, stored.chain.filter(isOpenModelStep), signal);
  const partial = new Map<StepId, ModelResult>();
  for (const [step, { result }] of left) if (result !== null) partial.set(step, result);
  return { partial, nextEvent: end.nextEvent };
}

/** The entry that ends the response, unless its chain has gone on since the log was closed. */
async function commitEnd(
  context: OrchestratorContext,
  seen: StoredResponse,
  closed: Published,
  error: ErrorInfo | null,
): Promise<Committed | undefined | 'moved on'> {
  const { id, entries } = seen.record;
  const asOf = Date.now();
  return context.database.transaction().execute(async (tx) => {
    const row = await responseQuery(tx, id).forUpdate().executeTakeFirst();
    if (!row) return undefined;
    const record = toRecord(row);
    const chain = await loadChain(tx, id);
    if (hasEnded(record)) return { record, chain, fresh: false, added: [], asOf };
    if (record.entries !== entries) return 'moved on';
    const now = Date.now();
    const next = error ? expire(record, chain, closed, error, now) : cancel(record, chain, closed, now);
    if (!next) return { record, chain, fresh: false, added: [], asOf };
    await writeEntry(tx, context, next, now);
    return { record: next.record, chain: next.chain, fresh: true, added: [], asOf };
  });
}
