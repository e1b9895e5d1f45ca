/** One part of an item that clients have seen, and its events. Pure. */
import type { Annotation, ItemEvent, LogProb, OutputContent, OutputReasoning } from '@tailrace/protocol';

/** What a part holds; the arguments of a call are its only part. */
export type PartKind = 'summary' | 'reasoning' | 'text' | 'refusal' | 'arguments';

/** What has been said in a part. */
export interface PartText {
  readonly kind: PartKind;
  text: string;
  logprobs: LogProb[];
  annotations: Annotation[];
}

/** The lists of parts that an item has. In each the last part is open while the item is, and those before it are closed. */
export type Lane = 'summary' | 'content';

/** The list that a part belongs to. */
export function laneOf(kind: PartKind): Lane {
  return kind === 'summary' ? 'summary' : 'content';
}

/** Where a part stands: `index` counts the parts of its lane. */
export interface PartPlace {
  item_id: string;
  output_index: number;
  index: number;
}

/** A part in which nothing has been said yet. */
export function emptyPart(kind: PartKind): PartText {
  return { kind, text: '', logprobs: [], annotations: [] };
}

/** The events at the beginning of a part. */
export function partOpening({ kind }: PartText, place: PartPlace): ItemEvent[] {
  const part = emptyPart(kind);
  switch (kind) {
    case 'arguments':
      return [];
    case 'summary':
      return [{ type: 'response.reasoning_summary_part.added', ...inSummary(place), part: summaryText(part) }];
    case 'reasoning':
      return [{ type: 'response.content_part.added', ...inContent(place), part: reasoningText(part) }];
    case 'text':
    case 'refusal':
      return [{ type: 'response.content_part.added', ...inContent(place), part: messagePart(part) }];
  }
}

/** More of a part. */
export function partDelta(kind: PartKind, place: PartPlace, delta: string, logprobs: LogProb[]): ItemEvent {
  switch (kind) {
    case 'arguments': {
      const { item_id, output_index } = place;
      return { type: 'response.function_call_arguments.delta', item_id, output_index, delta };
    }
    case 'summary':
      return { type: 'response.reasoning_summary_text.delta', ...inSummary(place), delta };
    case 'reasoning':
      return { type: 'response.reasoning.delta', ...inContent(place), delta };
    case 'refusal':
      return { type: 'response.refusal.delta', ...inContent(place), delta };
    case 'text':
      return { type: 'response.output_text.delta', ...inContent(place), delta, logprobs };
  }
}

/** A source that a text names, the last of `annotations`. */
export function partAnnotation({ annotations }: PartText, place: PartPlace, annotation: Annotation): ItemEvent {
  const annotation_index = annotations.length - 1;
  return { type: 'response.output_text.annotation.added', ...inContent(place), annotation_index, annotation };
}

/** The events at the end of a part. `name` is that of the function, if the part is of a call. */
export function partClosing(part: PartText, place: PartPlace, name: string): ItemEvent[] {
  const { kind, text } = part;
  switch (kind) {
    case 'arguments': {
      const { item_id, output_index } = place;
      return [{ type: 'response.function_call_arguments.done', item_id, output_index, name, arguments: text }];
    }
    case 'summary': {
      const at = inSummary(place);
      return [
        { type: 'response.reasoning_summary_text.done', ...at, text },
        { type: 'response.reasoning_summary_part.done', ...at, part: summaryText(part) },
      ];
    }
    case 'reasoning': {
      const at = inContent(place);
      return [
        { type: 'response.reasoning.done', ...at, text },
        { type: 'response.content_part.done', ...at, part: reasoningText(part) },
      ];
    }
    case 'text':
    case 'refusal': {
      const at = inContent(place);
      const told: ItemEvent =
        kind === 'text'
          ? { type: 'response.output_text.done', ...at, text, logprobs: [...part.logprobs] }
          : { type: 'response.refusal.done', ...at, refusal: text };
      return [told, { type: 'response.content_part.done', ...at, part: messagePart(part) }];
    }
  }
}

/** A part as the list of summaries holds it. */
export function summaryText({ text }: PartText): OutputReasoning['summary'][number] {
  return { type: 'summary_text', text };
}

/** A part as the content of reasoning holds it. */
export function reasoningText({ text }: PartText): OutputReasoning['content'][number] {
  return { type: 'reasoning_text', text };
}

/** A part as the content of a message holds it. */
export function messagePart({ kind, text, annotations, logprobs }: PartText): OutputContent {
  if (kind === 'refusal') return { type: 'refusal', refusal: text };
  return { type: 'output_text', text, annotations: [...annotations], logprobs: [...logprobs] };
}

/** The parts of a message, as they have been published. */
export function partOfMessage(part: OutputContent): PartText {
  if (part.type === 'refusal') return { ...emptyPart('refusal'), text: part.refusal };
  const { text, annotations, logprobs } = part;
  return { kind: 'text', text, annotations: [...annotations], logprobs: [...logprobs] };
}

function inContent({ index, ...item }: PartPlace) {
  return { ...item, content_index: index };
}

function inSummary({ index, ...item }: PartPlace) {
  return { ...item, summary_index: index };
}
