/**
 * The projection: the events that follow from a chain.
 *
 * A chain is written entry by entry (one transaction each), so its events have one order, whoever publishes them and
 * however often a crash interrupts it. The log's last message tells how many entries it holds (`cursor`); what the chain
 * has beyond it is projected. The events of a model call are not among them: the model-caller wrote those itself before
 * the call was recorded. Only a chain whose log is gone is projected with them (`replay`).
 */
import { errorPayload, type ItemEvent, isModelItem, type UnnumberedEvent } from '@tailrace/protocol';
import { hasEnded, type ResponseRecord } from './accepted.ts';
import { assemble, initialResource, outputOf, type PlacedItem } from './assemble.ts';
import { type AgentPlace, agentPlaceOf, progressEvent, showsProgress } from './scope.ts';
import { isScopeStep, type Step } from './step.ts';
import { closingEvents, openingEvents } from './tool-item.ts';
import { wholeItemEvents } from './whole-item.ts';

/** The events of the entries after `cursor`, in their order. */
export function project(
  record: ResponseRecord,
  chain: readonly Step[],
  cursor: number,
  options: { replay: boolean } = { replay: false },
): UnnumberedEvent[] {
  const output = shownOutput(record, chain);
  // What ends in one entry ended from the inside out.
  const inwards = output.toSorted((a, b) => (b.place?.depth ?? 0) - (a.place?.depth ?? 0));
  const events: UnnumberedEvent[] = [];
  for (let entry = cursor + 1; entry <= record.entries; entry += 1) {
    if (entry === 1) events.push(...creationEvents(record));
    for (const shown of inwards) {
      const { addedEntry, endedEntry } = shown.step;
      if (endedEntry === entry && addedEntry < entry) events.push(...told(shown, endingEvents(shown, options.replay)));
    }
    for (const shown of output) {
      if (shown.step.addedEntry === entry) events.push(...told(shown, addingEvents(shown, entry)));
    }
  }
  if (hasEnded(record) && cursor < record.entries) events.push(...terminalEvents(record, chain));
  return events;
}

/** An item with its `output_index` in its scope; `place` is null in the response's own. */
type ShownItem = PlacedItem & { index: number; place: AgentPlace | null };

/** What clients are shown: the response's output, and that of each agent if they have asked for it, the outer ones first. */
function shownOutput({ request }: ResponseRecord, chain: readonly Step[]): ShownItem[] {
  const agents = showsProgress(request) ? chain.filter(isScopeStep).toSorted((a, b) => a.sequence - b.sequence) : [];
  return [null, ...agents.map(({ id }) => id)].flatMap((scope) =>
    outputOf(chain, scope).map((placed, index): ShownItem => {
      return { ...placed, index, place: agentPlaceOf(request, chain, placed.step) };
    }),
  );
}

function told({ step, place }: ShownItem, events: ItemEvent[]): UnnumberedEvent[] {
  return place === null ? events : events.map((event) => progressEvent(event, step.id, place));
}

function creationEvents(record: ResponseRecord): UnnumberedEvent[] {
  const response = initialResource(record);
  const inProgress: UnnumberedEvent = { type: 'response.in_progress', response };
  if (!response.background) return [{ type: 'response.created', response }, inProgress];
  const queued = { ...response, status: 'queued' as const };
  return [{ type: 'response.created', response: queued }, { type: 'response.queued', response: queued }, inProgress];
}

function addingEvents({ step, index }: ShownItem, entry: number): ItemEvent[] {
  if (step.kind === 'model_call') return [];
  const opening = openingEvents(step, index);
  return step.endedEntry === entry ? [...opening, ...closingEvents(step, index)] : opening;
}

function endingEvents(shown: ShownItem, replay: boolean): ItemEvent[] {
  switch (shown.step.kind) {
    case 'tool_call':
      return closingEvents(shown.step, shown.index);
    case 'model_call':
      return replay && isModelItem(shown.item) ? wholeItemEvents(shown.item, shown.index) : [];
  }
}

/** The end. An error is told before it, for clients that look for nothing else (specification: ErrorStreamingEvent). */
function terminalEvents(record: ResponseRecord, chain: readonly Step[]): UnnumberedEvent[] {
  const response = assemble(record, chain);
  switch (record.status) {
    case 'completed':
      return [{ type: 'response.completed', response }];
    case 'failed': {
      const failed: UnnumberedEvent = { type: 'response.failed', response };
      return record.error === null ? [failed] : [{ type: 'error', error: errorPayload(record.error, null) }, failed];
    }
    case 'incomplete':
    case 'cancelled':
      return [{ type: 'response.incomplete', response }];
    case 'queued':
    case 'in_progress':
      throw new Error(`response ${record.id} has not ended`);
  }
}
