/** The events of a stream (specification: the `…StreamingEvent` schemas). */
import { z } from 'zod';
import { annotation, logProb, outputContent, outputItem, reasoningText, summaryText } from './items.ts';
import { responseResource } from './response.ts';

/** A part of a content list, as `response.content_part.*` carry it. */
const contentPart = z.discriminatedUnion('type', [...outputContent.options, reasoningText]);
export type ContentPart = z.output<typeof contentPart>;

/** An error inside a stream (specification: ErrorPayload). */
const errorPayload = z.strictObject({
  type: z.string(),
  code: z.string(),
  message: z.string(),
  param: z.string().nullable(),
});

const lifecycle = { response: responseResource };
const atItem = { output_index: z.int() };
const inItem = { item_id: z.string(), ...atItem };
const inPart = { ...inItem, content_index: z.int() };
const inSummary = { ...inItem, summary_index: z.int() };
/** `obfuscation` evens out the sizes of frames, where a request has asked for it. */
const delta = { delta: z.string(), obfuscation: z.string().optional() };

/** The fields of each event that is about an item, without `type` and `sequence_number`. */
const ITEM_FIELDS = {
  'response.output_item.added': { ...atItem, item: outputItem },
  'response.output_item.done': { ...atItem, item: outputItem },
  'response.content_part.added': { ...inPart, part: contentPart },
  'response.content_part.done': { ...inPart, part: contentPart },
  'response.output_text.delta': { ...inPart, ...delta, logprobs: z.array(logProb) },
  'response.output_text.done': { ...inPart, text: z.string(), logprobs: z.array(logProb) },
  'response.output_text.annotation.added': { ...inPart, annotation_index: z.int(), annotation },
  'response.refusal.delta': { ...inPart, ...delta },
  'response.refusal.done': { ...inPart, refusal: z.string() },
  'response.reasoning.delta': { ...inPart, ...delta },
  'response.reasoning.done': { ...inPart, text: z.string() },
  'response.reasoning_summary_part.added': { ...inSummary, part: summaryText },
  'response.reasoning_summary_part.done': { ...inSummary, part: summaryText },
  'response.reasoning_summary_text.delta': { ...inSummary, ...delta },
  'response.reasoning_summary_text.done': { ...inSummary, text: z.string() },
  'response.function_call_arguments.delta': { ...inItem, ...delta },
  'response.function_call_arguments.done': { ...inItem, name: z.string(), arguments: z.string() },
  'response.mcp_list_tools.in_progress': inItem,
  'response.mcp_list_tools.completed': inItem,
  'response.mcp_list_tools.failed': inItem,
  'response.mcp_call.in_progress': inItem,
  'response.mcp_call_arguments.delta': { ...inItem, ...delta },
  'response.mcp_call_arguments.done': { ...inItem, arguments: z.string() },
  'response.mcp_call.completed': inItem,
  'response.mcp_call.failed': inItem,
};

type ItemFields<T extends keyof typeof ITEM_FIELDS> = z.output<z.ZodObject<(typeof ITEM_FIELDS)[T]>>;

/** An event that is about an item, before its place in the log is known. */
export type ItemEvent = { [T in keyof typeof ITEM_FIELDS]: { type: T } & ItemFields<T> }[keyof typeof ITEM_FIELDS];

const itemEvent = z.union(
  Object.entries(ITEM_FIELDS).map(([type, fields]) => z.strictObject({ type: z.literal(type), ...fields })),
) as unknown as z.ZodType<ItemEvent>;

/** The fields of each event, without `type` and `sequence_number`. */
const FIELDS = {
  ...ITEM_FIELDS,
  'response.created': lifecycle,
  'response.queued': lifecycle,
  'response.in_progress': lifecycle,
  'response.completed': lifecycle,
  'response.failed': lifecycle,
  'response.incomplete': lifecycle,
  error: { error: errorPayload },
  /**
   * Beyond the specification, and only for who asks for it: what happens inside an agent. `event` is one of the items of
   * the agent's own output, and its `output_index` counts those. `parent_step_id` is the call that the agent answers.
   */
  'tailrace.progress': {
    step_id: z.string(),
    parent_step_id: z.string(),
    agent: z.string(),
    depth: z.int().min(1),
    event: itemEvent,
  },
};

/** The name of an event. */
export type EventType = keyof typeof FIELDS;

type Fields<T extends EventType> = z.output<z.ZodObject<(typeof FIELDS)[T]>>;

/** An event before its place in the log is known. */
export type UnnumberedEvent = { [T in EventType]: { type: T } & Fields<T> }[EventType];

/** An event as it stands in the log. */
export type ResponseEvent = { [T in EventType]: { type: T; sequence_number: number } & Fields<T> }[EventType];

/** The schema of each event, by its name. */
export const EVENT_SCHEMAS: { readonly [T in EventType]: z.ZodType } = Object.fromEntries(
  Object.entries(FIELDS).map(([type, fields]) => [
    type,
    z.strictObject({ type: z.literal(type), sequence_number: z.int().min(0), ...fields }),
  ]),
) as unknown as { [T in EventType]: z.ZodType };

/** The events after which nothing comes (I2). */
export const TERMINAL_EVENTS: ReadonlySet<EventType> = new Set([
  'response.completed',
  'response.failed',
  'response.incomplete',
]);
