/**
 * The projection: the events that follow from a chain.
 *
 * A chain is written entry by entry (one transaction each), so its events have one order, whoever publishes them and
 * however often a crash interrupts it. The log's last message tells how many entries it holds (`cursor`); what the chain
 * has beyond it is projected. The events of a model call are not among them: the model-caller wrote those itself before
 * the call was recorded. Only a chain whose log is gone is projected with them (`replay`).
 */
import type { ModelItem, OutputItem, UnnumberedEvent } from '@tailrace/protocol';
import { hasEnded, type ResponseRecord } from './accepted.ts';
import { assemble, initialResource, outputOf, type PlacedItem } from './assemble.ts';
import type { Step } from './step.ts';

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
  if (hasEnded(record) && cursor < record.entries) events.push(terminalEvent(record, chain));
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

/** The events of an item that comes all at once, as when the log that held its deltas is gone. */
export function wholeItemEvents(item: ModelItem, index: number): UnnumberedEvent[] {
  const added = (opened: OutputItem): UnnumberedEvent => ({
    type: 'response.output_item.added',
    output_index: index,
    item: opened,
  });
  const done: UnnumberedEvent = { type: 'response.output_item.done', output_index: index, item };
  const at = { item_id: item.id, output_index: index };
  switch (item.type) {
    case 'function_call': {
      const { arguments: text, name } = item;
      return [
        added({ ...item, arguments: '', status: 'in_progress' }),
        ...(text === '' ? [] : [{ type: 'response.function_call_arguments.delta' as const, ...at, delta: text }]),
        { type: 'response.function_call_arguments.done', ...at, name, arguments: text },
        done,
      ];
    }
    case 'message': {
      const parts = item.content.flatMap((part, content_index): UnnumberedEvent[] => {
        const place = { ...at, content_index };
        const open = part.type === 'refusal' ? { ...part, refusal: '' } : { ...part, text: '' };
        const deltas: UnnumberedEvent[] =
          part.type === 'refusal'
            ? [
                { type: 'response.refusal.delta', ...place, delta: part.refusal },
                { type: 'response.refusal.done', ...place, refusal: part.refusal },
              ]
            : [
                { type: 'response.output_text.delta', ...place, delta: part.text, logprobs: [] },
                { type: 'response.output_text.done', ...place, text: part.text, logprobs: [] },
              ];
        return [
          { type: 'response.content_part.added', ...place, part: open },
          ...deltas,
          { type: 'response.content_part.done', ...place, part },
        ];
      });
      return [added({ ...item, content: [], status: 'in_progress' }), ...parts, done];
    }
    case 'reasoning': {
      const parts = item.content.flatMap((part, content_index): UnnumberedEvent[] => {
        const place = { ...at, content_index };
        return [
          { type: 'response.content_part.added', ...place, part: { ...part, text: '' } },
          { type: 'response.reasoning.delta', ...place, delta: part.text },
          { type: 'response.reasoning.done', ...place, text: part.text },
          { type: 'response.content_part.done', ...place, part },
        ];
      });
      return [added({ ...item, content: [], status: 'in_progress' }), ...parts, done];
    }
  }
}

function terminalEvent(record: ResponseRecord, chain: readonly Step[]): UnnumberedEvent {
  const response = assemble(record, chain);
  switch (record.status) {
    case 'completed':
      return { type: 'response.completed', response };
    case 'failed':
      return { type: 'response.failed', response };
    case 'incomplete':
    case 'cancelled':
      return { type: 'response.incomplete', response };
    case 'queued':
    case 'in_progress':
      throw new Error(`response ${record.id} has not ended`);
  }
}
