/**
 * The projection: the events that follow from a chain.
 *
 * A chain is written entry by entry (one transaction each), so its events have one order, whoever publishes them and
 * however often a crash interrupts it. The log's last message tells how many entries it holds (`cursor`); what the chain
 * has beyond it is projected. The events of a model call are not among them: the model-caller wrote those itself before
 * the call was recorded. Only a chain whose log is gone is projected with them (`replay`).
 */
import { errorPayload, type OutputItem, type UnnumberedEvent } from '@tailrace/protocol';
import { hasEnded, type ResponseRecord } from './accepted.ts';
import { assemble, initialResource, outputOf, type PlacedItem } from './assemble.ts';
import type { Step } from './step.ts';
import { wholeItemEvents } from './whole-item.ts';

/** The events of the entries after `cursor`, in their order. */
export function project(
  record: ResponseRecord,
  chain: readonly Step[],
  cursor: number,
  options: { replay: boolean } = { replay: false },
): UnnumberedEvent[] {
  const output = outputOf(chain);
  const events: UnnumberedEvent[] = [];
  for (let entry = cursor + 1; entry <= record.entries; entry += 1) {
    if (entry === 1) events.push(...openingEvents(record));
    output.forEach((placed, index) => {
      if (placed.step.endedEntry === entry && placed.step.addedEntry < entry) {
        events.push(...endingEvents(placed, index, options.replay));
      }
    });
    output.forEach((placed, index) => {
      if (placed.step.addedEntry === entry) events.push(...addingEvents(placed, index, entry));
    });
  }
  if (hasEnded(record) && cursor < record.entries) events.push(...terminalEvents(record, chain));
  return events;
}

function openingEvents(record: ResponseRecord): UnnumberedEvent[] {
  const response = initialResource(record);
  const inProgress: UnnumberedEvent = { type: 'response.in_progress', response };
  if (!response.background) return [{ type: 'response.created', response }, inProgress];
  const queued = { ...response, status: 'queued' as const };
  return [{ type: 'response.created', response: queued }, { type: 'response.queued', response: queued }, inProgress];
}

function addingEvents({ step, item }: PlacedItem, index: number, entry: number): UnnumberedEvent[] {
  if (step.kind === 'model_call' || item.type !== 'function_call_output') return [];
  const opened: OutputItem = { ...item, output: '', status: 'in_progress' };
  const added: UnnumberedEvent = { type: 'response.output_item.added', output_index: index, item: opened };
  if (step.endedEntry !== entry) return [added];
  return [added, { type: 'response.output_item.done', output_index: index, item }];
}

function endingEvents({ step, item }: PlacedItem, index: number, replay: boolean): UnnumberedEvent[] {
  if (step.kind === 'tool_call') return [{ type: 'response.output_item.done', output_index: index, item }];
  return replay && item.type !== 'function_call_output' ? wholeItemEvents(item, index) : [];
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
