/** Closes a log to the model steps that are writing it. */
import { randomUUID } from 'node:crypto';
import type { LogPosition } from '@tailrace/bus';
import { agentPlaceOf, closeItem, type ModelStep, outputOf, progressEvent } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import {
  append,
  CLOSING_ATTEMPT,
  EMPTY_LOG,
  encodeFrames,
  Fenced,
  type LogMeta,
  LogShares,
  type StepShare,
} from '@tailrace/log';
import { foldItems, type ItemEvent, type ModelItem, type StepId } from '@tailrace/protocol';
import type { OrchestratorContext } from './context.ts';
import { logOf } from './projector.ts';

/** What a step that was closed has left. */
export interface ClosedStep {
  /** What clients have seen of it; nothing of a step that is hidden from them. */
  items: ModelItem[];
  /** How many events that took. */
  events: number;
}

/**
 * Ends what each of the steps has open, as `incomplete`, and takes the log away from it: after this no attempt at it can
 * append. Resolves with what they have left, and where the log ends.
 */
export async function closeStepLogs(
  context: OrchestratorContext,
  stored: StoredResponse,
  steps: readonly ModelStep[],
  signal: AbortSignal,
): Promise<{ closed: Map<StepId, ClosedStep>; end: LogPosition }> {
  const target = logOf(context, stored.record.id);
  const ids = steps.map((step) => step.id);
  const fromTheStart = () => new LogShares(target, EMPTY_LOG, ids);
  let shares = fromTheStart();
  await shares.readOn();
  for (let left = [...steps]; ; ) {
    left = left.filter((step) => !shares.of(step.id).closed);
    const [step] = left;
    if (!step) break;
    const { events } = closingOf(stored, step, shares.of(step.id));
    const { nextEvent: first, streamSeq: after, cursor } = shares.end;
    const meta: LogMeta = {
      first,
      last: first + events.length - 1,
      cursor,
      writer: randomUUID(),
      step: { id: step.id, attempt: CLOSING_ATTEMPT },
      seal: null,
      ended: null,
    };
    const place = agentPlaceOf(stored.record.request, stored.chain, step);
    const told = place === null ? events : events.map((event) => progressEvent(event, step.id, place));
    try {
      await append(target, after, meta, Buffer.from(encodeFrames(told, first)), signal);
    } catch (error) {
      if (!(error instanceof Fenced)) throw error;
    }
    await shares.readOn();
    // Neither our message nor another one is behind the end that we know: it is not this log any more.
    if (shares.end.streamSeq === after) {
      shares = fromTheStart();
      await shares.readOn();
    }
  }
  const closed = steps.map((step): [StepId, ClosedStep] => {
    const share = shares.of(step.id);
    return [step.id, { items: closingOf(stored, step, share).items, events: share.events.length }];
  });
  return { closed: new Map(closed), end: shares.end };
}

/** What a step's items are when nothing more comes, and the events that are still to say so. */
function closingOf(
  { chain }: StoredResponse,
  step: ModelStep,
  share: StepShare,
): { items: ModelItem[]; events: ItemEvent[] } {
  // A hidden step has told nothing, so nothing of it is open.
  const firstIndex = outputOf(chain, step.parentStepId).length;
  const items = foldItems(share.events, firstIndex);
  const closings = items.map((item, index) =>
    item.status === 'in_progress' ? closeItem(item, firstIndex + index, share.events) : { item, events: [] },
  );
  return { items: closings.map(({ item }) => item), events: closings.flatMap(({ events }) => events) };
}
