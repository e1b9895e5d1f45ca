import type { OutputContent, OutputItem } from './items.ts';
import type { ResponseResource } from './response.ts';

/** A part of a content list, as `response.content_part.*` carry it. */
export type ContentPart = OutputContent | { type: 'reasoning_text'; text: string };

interface ItemEvent {
  output_index: number;
}
interface PartEvent extends ItemEvent {
  item_id: string;
  content_index: number;
}
interface Lifecycle {
  response: ResponseResource;
}

/** The fields of each event (specification: the `Response…StreamingEvent` schemas), without `type` and `sequence_number`. */
interface EventFields {
  'response.created': Lifecycle;
  'response.queued': Lifecycle;
  'response.in_progress': Lifecycle;
  'response.completed': Lifecycle;
  'response.failed': Lifecycle;
  'response.incomplete': Lifecycle;
  'response.output_item.added': ItemEvent & { item: OutputItem };
  'response.output_item.done': ItemEvent & { item: OutputItem };
  'response.content_part.added': PartEvent & { part: ContentPart };
  'response.content_part.done': PartEvent & { part: ContentPart };
  'response.output_text.delta': PartEvent & { delta: string; logprobs: unknown[] };
  'response.output_text.done': PartEvent & { text: string; logprobs: unknown[] };
  'response.refusal.delta': PartEvent & { delta: string };
  'response.refusal.done': PartEvent & { refusal: string };
  'response.reasoning.delta': PartEvent & { delta: string };
  'response.reasoning.done': PartEvent & { text: string };
  'response.function_call_arguments.delta': ItemEvent & { item_id: string; delta: string };
  'response.function_call_arguments.done': ItemEvent & { item_id: string; name: string; arguments: string };
}

/** The name of an event. */
export type EventType = keyof EventFields;

/** An event before its place in the log is known. */
export type UnnumberedEvent = { [T in EventType]: { type: T } & EventFields[T] }[EventType];

/** An event as it stands in the log. */
export type ResponseEvent = { [T in EventType]: { type: T; sequence_number: number } & EventFields[T] }[EventType];

/** The events after which nothing comes (I2). */
export const TERMINAL_EVENTS: ReadonlySet<EventType> = new Set([
  'response.completed',
  'response.failed',
  'response.incomplete',
]);
