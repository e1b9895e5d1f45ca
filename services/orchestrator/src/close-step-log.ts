/** Closes a log to the model step that is writing it. */
import { randomUUID } from 'node:crypto';
import type { LogPosition } from '@tailrace/bus';
import { closeItem, type ModelStep, outputOf } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import {
  append,
  CLOSING_ATTEMPT,
  decodeFrames,
  EMPTY_LOG,
  encodeFrames,
  Fenced,
  type LogMeta,
  positionAfter,
  readLog,
} from '@tailrace/log';
import { foldItems, type ModelItem, type ResponseEvent } from '@tailrace/protocol';
import type { OrchestratorContext } from './context.ts';
import { logOf } from './projector.ts';

/**
 * Ends what the step has open, as `incomplete`, and takes the log away from it: after this no attempt at the step can
 * append. Resolves with what clients have seen of the step, and where the log ends.
 */
export async function closeStepLog(
  context: OrchestratorContext,
  stored: StoredResponse,
  step: ModelStep,
  signal: AbortSignal,
): Promise<{ items: ModelItem[]; end: LogPosition }> {
  const target = logOf(context, stored.record.id);
  const firstIndex = outputOf(stored.chain).length;
  for (;;) {
    const share = await readShare(context, stored, step);
    const folded = foldItems(share.events, firstIndex) as ModelItem[];
    if (share.closed) return { items: folded, end: share.end };
    const items: ModelItem[] = [];
    const events = folded.flatMap((item, index) => {
      const open =
        item.status === 'in_progress' ? closeItem(item, firstIndex + index, share.events) : { item, events: [] };
      items.push(open.item);
      return open.events;
    });
    const meta: LogMeta = {
      first: share.end.nextEvent,
      last: share.end.nextEvent + events.length - 1,
      cursor: share.end.cursor,
      writer: randomUUID(),
      step: { id: step.id, attempt: CLOSING_ATTEMPT },
      seal: null,
      ended: null,
    };
    try {
      const bytes = Buffer.from(encodeFrames(events, meta.first));
      const streamSeq = await append(target, share.end.streamSeq, meta, bytes, signal);
      return { items, end: positionAfter(meta, streamSeq) };
    } catch (error) {
      if (!(error instanceof Fenced)) throw error;
    }
  }
}

interface Share {
  events: ResponseEvent[];
  end: LogPosition;
  /** Nobody writes it any more: the step has come to its end, or has been closed before. */
  closed: boolean;
}

async function readShare(context: OrchestratorContext, stored: StoredResponse, step: ModelStep): Promise<Share> {
  const share: Share = { events: [], end: EMPTY_LOG, closed: false };
  for await (const message of readLog(logOf(context, stored.record.id), 0)) {
    share.end = positionAfter(message.meta, message.streamSeq);
    if (message.meta.step?.id !== step.id) continue;
    share.events.push(...decodeFrames(message.bytes));
    share.closed ||= message.meta.seal !== null || message.meta.step.attempt === CLOSING_ATTEMPT;
  }
  return share;
}
