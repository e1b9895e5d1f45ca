/** The events of an item that comes all at once, as when the log that held its deltas is gone. Pure. */
import type { ItemEvent, ModelItem, OutputContent, OutputItem, OutputReasoning } from '@tailrace/protocol';

/** See the file's head. */
export function wholeItemEvents(item: ModelItem, index: number): ItemEvent[] {
  const at = { item_id: item.id, output_index: index };
  const done: ItemEvent = { type: 'response.output_item.done', output_index: index, item };
  switch (item.type) {
    case 'function_call': {
      const { arguments: text, name } = item;
      return [
        added({ ...item, arguments: '', status: 'in_progress' }, index),
        ...(text === '' ? [] : [{ type: 'response.function_call_arguments.delta' as const, ...at, delta: text }]),
        { type: 'response.function_call_arguments.done', ...at, name, arguments: text },
        done,
      ];
    }
    case 'message': {
      const parts = item.content.flatMap((part, content_index) => messagePart(part, { ...at, content_index }));
      return [added({ ...item, content: [], status: 'in_progress' }, index), ...parts, done];
    }
    case 'reasoning': {
      const { encrypted_content: _later, ...shown } = item;
      const opened: OutputItem = { ...shown, summary: [], content: [], status: 'in_progress' };
      return [added(opened, index), ...reasoningParts(item, at), done];
    }
  }
}

function added(item: OutputItem, output_index: number): ItemEvent {
  return { type: 'response.output_item.added', output_index, item };
}

interface ItemPlace {
  item_id: string;
  output_index: number;
}

function messagePart(part: OutputContent, place: ItemPlace & { content_index: number }): ItemEvent[] {
  if (part.type === 'refusal') {
    const { refusal } = part;
    return [
      { type: 'response.content_part.added', ...place, part: { ...part, refusal: '' } },
      { type: 'response.refusal.delta', ...place, delta: refusal },
      { type: 'response.refusal.done', ...place, refusal },
      { type: 'response.content_part.done', ...place, part },
    ];
  }
  const { text, logprobs, annotations } = part;
  return [
    { type: 'response.content_part.added', ...place, part: { ...part, text: '', annotations: [], logprobs: [] } },
    { type: 'response.output_text.delta', ...place, delta: text, logprobs },
    ...annotations.map((annotation, annotation_index): ItemEvent => {
      return { type: 'response.output_text.annotation.added', ...place, annotation_index, annotation };
    }),
    { type: 'response.output_text.done', ...place, text, logprobs },
    { type: 'response.content_part.done', ...place, part },
  ];
}

function reasoningParts(item: OutputReasoning, at: ItemPlace): ItemEvent[] {
  const summary = item.summary.flatMap((part, summary_index): ItemEvent[] => {
    const place = { ...at, summary_index };
    return [
      { type: 'response.reasoning_summary_part.added', ...place, part: { ...part, text: '' } },
      { type: 'response.reasoning_summary_text.delta', ...place, delta: part.text },
      { type: 'response.reasoning_summary_text.done', ...place, text: part.text },
      { type: 'response.reasoning_summary_part.done', ...place, part },
    ];
  });
  const content = item.content.flatMap((part, content_index): ItemEvent[] => {
    const place = { ...at, content_index };
    return [
      { type: 'response.content_part.added', ...place, part: { ...part, text: '' } },
      { type: 'response.reasoning.delta', ...place, delta: part.text },
      { type: 'response.reasoning.done', ...place, text: part.text },
      { type: 'response.content_part.done', ...place, part },
    ];
  });
  return [...summary, ...content];
}
