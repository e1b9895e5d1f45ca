import { type ResponseEvent, TERMINAL_EVENTS } from './events.ts';
import type { ModelItem, OutputItem, OutputMessage, OutputReasoning } from './items.ts';
import type { ResponseResource } from './response.ts';

/**
 * A log that does not obey the protocol: an event before `response.created` or after the terminal one, out of order, or
 * one that names what is not there or has ended.
 */
export class FoldError extends Error {
  constructor(event: ResponseEvent, reason: string) {
    super(`event ${event.sequence_number} (${event.type}): ${reason}`);
    this.name = 'FoldError';
  }
}

/** The items that a run of events has built so far. */
interface Output {
  items: OutputItem[];
  /** The places of those that have ended. Not every kind of item says so itself. */
  ended: Set<number>;
}

/**
 * What a client knows after these events: the fold of a log, from its first event on (I3). It trusts nothing but the
 * events; a terminal event must agree with what the deltas have built, which is checked by whoever compares.
 * @throws FoldError for a log that breaks the protocol.
 */
export function foldEvents(events: Iterable<ResponseEvent>): ResponseResource {
  let response: ResponseResource | undefined;
  let output: Output = { items: [], ended: new Set() };
  let last: ResponseEvent | undefined;
  for (const event of events) {
    if (!last && event.type !== 'response.created') throw new FoldError(event, 'nothing was created before');
    if (last) checkOrder(last, event);
    last = event;
    switch (event.type) {
      case 'response.created':
        response = structuredClone(event.response);
        output = { items: [...response.output], ended: new Set(response.output.keys()) };
        break;
      case 'response.queued':
      case 'response.in_progress':
      case 'response.completed':
      case 'response.failed':
      case 'response.incomplete':
        response = structuredClone(event.response);
        break;
      case 'error':
      case 'tailrace.progress':
        break;
      default:
        foldItemEvent(output, event);
    }
  }
  if (!response) throw new Error('an empty log has no response');
  return { ...response, output: output.items };
}

function checkOrder(last: ResponseEvent, event: ResponseEvent): void {
  if (event.type === 'response.created') throw new FoldError(event, 'the response has been created before');
  if (event.sequence_number <= last.sequence_number) throw new FoldError(event, `it follows ${last.sequence_number}`);
  if (TERMINAL_EVENTS.has(last.type)) throw new FoldError(event, 'the response has ended');
}

/**
 * The items that a run of item events builds, beginning with the item at `firstIndex`: the share of one model step in a
 * log.
 * @throws FoldError for a run that breaks the protocol.
 */
export function foldItems(events: Iterable<ResponseEvent>, firstIndex: number): ModelItem[] {
  // Items that stand before the run are somebody else's; their places are kept so that the indexes agree.
  const output: Output = { items: Array.from({ length: firstIndex }), ended: new Set() };
  for (const event of events) {
    if ('response' in event || event.type === 'error' || event.type === 'tailrace.progress') {
      throw new FoldError(event, 'a step does not write events of the response');
    }
    if ('item' in event && !isModelItem(event.item)) throw new FoldError(event, 'the item is of a tool');
    foldItemEvent(output, event);
  }
  return output.items.slice(firstIndex).filter(isModelItem);
}

/** Whether an item is of a model, and not of a tool. */
export function isModelItem(item: OutputItem): item is ModelItem {
  switch (item.type) {
    case 'message':
    case 'reasoning':
    case 'function_call':
      return true;
    case 'function_call_output':
    case 'mcp_list_tools':
    case 'mcp_call':
    case 'mcp_approval_request':
      return false;
  }
}

type ItemLevelEvent = Exclude<
  ResponseEvent,
  { response: ResponseResource } | { type: 'error' } | { type: 'tailrace.progress' }
>;

function foldItemEvent(output: Output, event: ItemLevelEvent): void {
  const { items } = output;
  switch (event.type) {
    case 'response.output_item.added':
      if (event.output_index !== items.length) throw new FoldError(event, `the next item is ${items.length}`);
      items.push(structuredClone(event.item));
      return;
    case 'response.output_item.done':
      if (openItemAt(output, event).id !== event.item.id) throw new FoldError(event, 'another item is there');
      items[event.output_index] = structuredClone(event.item);
      output.ended.add(event.output_index);
      return;
    case 'response.function_call_arguments.delta':
      itemOfType(output, event, 'function_call').arguments += event.delta;
      return;
    case 'response.mcp_call_arguments.delta':
      itemOfType(output, event, 'mcp_call').arguments += event.delta;
      return;
    case 'response.function_call_arguments.done':
      if (itemOfType(output, event, 'function_call').arguments === event.arguments) return;
      throw new FoldError(event, 'the deltas say otherwise');
    case 'response.mcp_call_arguments.done':
      if (itemOfType(output, event, 'mcp_call').arguments === event.arguments) return;
      throw new FoldError(event, 'the deltas say otherwise');
    // What a call or a list came to is told by its end.
    case 'response.mcp_call.in_progress':
    case 'response.mcp_call.completed':
    case 'response.mcp_call.failed':
      itemOfType(output, event, 'mcp_call');
      return;
    case 'response.mcp_list_tools.in_progress':
    case 'response.mcp_list_tools.completed':
    case 'response.mcp_list_tools.failed':
      itemOfType(output, event, 'mcp_list_tools');
      return;
    case 'response.reasoning_summary_part.added':
    case 'response.reasoning_summary_part.done':
    case 'response.reasoning_summary_text.delta':
    case 'response.reasoning_summary_text.done':
      foldSummaryEvent(itemOfType(output, event, 'reasoning').summary, event);
      return;
    default:
      foldPartEvent(partsOf(output, event), event);
  }
}

type PartLevelEvent = Extract<ItemLevelEvent, { content_index: number }>;
type Part = OutputMessage['content'][number] | OutputReasoning['content'][number];

function foldPartEvent(parts: Part[], event: PartLevelEvent): void {
  if (event.type === 'response.content_part.added') {
    if (event.content_index !== parts.length) throw new FoldError(event, `the next part is ${parts.length}`);
    parts.push(structuredClone(event.part));
    return;
  }
  const part = parts[event.content_index];
  if (!part) throw new FoldError(event, 'there is no such part');
  switch (event.type) {
    case 'response.content_part.done':
      parts[event.content_index] = structuredClone(event.part);
      return;
    case 'response.output_text.delta':
      if (part.type !== 'output_text') throw new FoldError(event, 'not a text part');
      part.text += event.delta;
      part.logprobs.push(...structuredClone(event.logprobs));
      return;
    case 'response.output_text.annotation.added':
      if (part.type !== 'output_text') throw new FoldError(event, 'not a text part');
      if (event.annotation_index !== part.annotations.length) {
        throw new FoldError(event, `the next annotation is ${part.annotations.length}`);
      }
      part.annotations.push(structuredClone(event.annotation));
      return;
    case 'response.reasoning.delta':
      if (part.type !== 'reasoning_text') throw new FoldError(event, 'not a part of reasoning');
      part.text += event.delta;
      return;
    case 'response.output_text.done':
      if (part.type !== 'output_text' || part.text !== event.text)
        throw new FoldError(event, 'the deltas say otherwise');
      return;
    case 'response.reasoning.done':
      if (part.type !== 'reasoning_text' || part.text !== event.text)
        throw new FoldError(event, 'the deltas say otherwise');
      return;
    case 'response.refusal.delta':
      if (part.type !== 'refusal') throw new FoldError(event, 'not a refusal');
      part.refusal += event.delta;
      return;
    case 'response.refusal.done':
      if (part.type !== 'refusal' || part.refusal !== event.refusal)
        throw new FoldError(event, 'the deltas say otherwise');
      return;
  }
}

type SummaryLevelEvent = Extract<ItemLevelEvent, { summary_index: number }>;

function foldSummaryEvent(parts: OutputReasoning['summary'], event: SummaryLevelEvent): void {
  if (event.type === 'response.reasoning_summary_part.added') {
    if (event.summary_index !== parts.length) throw new FoldError(event, `the next part is ${parts.length}`);
    parts.push(structuredClone(event.part));
    return;
  }
  const part = parts[event.summary_index];
  if (!part) throw new FoldError(event, 'there is no such part');
  switch (event.type) {
    case 'response.reasoning_summary_part.done':
      parts[event.summary_index] = structuredClone(event.part);
      return;
    case 'response.reasoning_summary_text.delta':
      part.text += event.delta;
      return;
    case 'response.reasoning_summary_text.done':
      if (part.text !== event.text) throw new FoldError(event, 'the deltas say otherwise');
      return;
  }
}

function openItemAt(output: Output, event: { output_index: number } & ItemLevelEvent): OutputItem {
  const item = output.items[event.output_index];
  if (!item) throw new FoldError(event, 'there is no such item');
  if (output.ended.has(event.output_index)) throw new FoldError(event, 'the item has ended');
  return item;
}

type InItemEvent = Extract<ItemLevelEvent, { item_id: string }>;
type ItemOf<Type extends OutputItem['type']> = Extract<OutputItem, { type: Type }>;

function itemOfType<Type extends OutputItem['type']>(output: Output, event: InItemEvent, type: Type): ItemOf<Type> {
  const item = openItemAt(output, event);
  if (item.id !== event.item_id) throw new FoldError(event, 'another item is there');
  if (item.type !== type) throw new FoldError(event, `the item is a ${item.type}`);
  return item as ItemOf<Type>;
}

function partsOf(output: Output, event: PartLevelEvent): Part[] {
  const item = openItemAt(output, event);
  if (item.id !== event.item_id) throw new FoldError(event, 'another item is there');
  if (item.type !== 'message' && item.type !== 'reasoning') throw new FoldError(event, 'the item has no parts');
  return item.content;
}
