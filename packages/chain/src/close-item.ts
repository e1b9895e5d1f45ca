/** How an item that was broken off ends. Pure. */
import type { ItemEvent, ModelItem } from '@tailrace/protocol';

/**
 * An item that is still open, ended as `incomplete` with what it has, and the events that say so: those that are not
 * among `written` already.
 */
export function closeItem(
  item: ModelItem,
  index: number,
  written: readonly ItemEvent[] = [],
): { item: ModelItem; events: ItemEvent[] } {
  const told = new Set(written.map(placeOf));
  const { item: closed, events } = closeAll(item, index);
  return { item: closed, events: events.filter((event) => !told.has(placeOf(event))) };
}

function placeOf(event: ItemEvent): string {
  const item = 'output_index' in event ? event.output_index : '';
  const part = 'content_index' in event ? event.content_index : 'summary_index' in event ? event.summary_index : '';
  return `${event.type} ${item} ${part}`;
}

function closeAll(item: ModelItem, index: number): { item: ModelItem; events: ItemEvent[] } {
  const closed: ModelItem = { ...item, status: 'incomplete' };
  const at = { item_id: item.id, output_index: index };
  const done: ItemEvent = { type: 'response.output_item.done', output_index: index, item: closed };
  switch (item.type) {
    case 'function_call': {
      const { name, arguments: text } = item;
      return {
        item: closed,
        events: [{ type: 'response.function_call_arguments.done', ...at, name, arguments: text }, done],
      };
    }
    case 'message': {
      const part = item.content.at(-1);
      if (!part) return { item: closed, events: [done] };
      const place = { ...at, content_index: item.content.length - 1 };
      const ended: ItemEvent =
        part.type === 'refusal'
          ? { type: 'response.refusal.done', ...place, refusal: part.refusal }
          : { type: 'response.output_text.done', ...place, text: part.text, logprobs: part.logprobs };
      return { item: closed, events: [ended, { type: 'response.content_part.done', ...place, part }, done] };
    }
    case 'reasoning': {
      const events: ItemEvent[] = [];
      const summary = item.summary.at(-1);
      if (summary) {
        const place = { ...at, summary_index: item.summary.length - 1 };
        events.push({ type: 'response.reasoning_summary_text.done', ...place, text: summary.text });
        events.push({ type: 'response.reasoning_summary_part.done', ...place, part: summary });
      }
      const content = item.content.at(-1);
      if (content) {
        const place = { ...at, content_index: item.content.length - 1 };
        events.push({ type: 'response.reasoning.done', ...place, text: content.text });
        events.push({ type: 'response.content_part.done', ...place, part: content });
      }
      return { item: closed, events: [...events, done] };
    }
  }
}
