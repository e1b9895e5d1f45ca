/** What clients are sent, as samples that tests put faults into. */
import {
  compactResource,
  EVENT_SCHEMAS,
  errorEnvelope,
  type OutputItem,
  type ResponseEvent,
  type ResponseResource,
  responseResource,
  webSocketErrorEvent,
} from '@tailrace/protocol';
import { z } from 'zod';

/** A document of the specification's form, made of the project's own schemas: the second validation is tested without the real one. */
export function ownDocument(): object {
  const events = Object.entries(EVENT_SCHEMAS).map(([type, schema]) => [`${type}StreamingEvent`, schema] as const);
  const named: Record<string, z.ZodType> = {
    ResponseResource: responseResource,
    CompactResource: compactResource,
    ErrorPayload: errorEnvelope.shape.error,
    WebSocketErrorEvent: webSocketErrorEvent,
    ItemField: responseResource.shape.output.element,
    ...Object.fromEntries(events),
  };
  const schemas = Object.entries(named).map(([name, schema]) => [name, z.toJSONSchema(schema)] as const);
  return { openapi: '3.1.0', components: { schemas: Object.fromEntries(schemas) } };
}

/** The id of the sample response. */
export const ID = 'resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b';

/** The sample response. */
export function responseOf(status: ResponseResource['status'], output: OutputItem[] = []): ResponseResource {
  return {
    id: ID,
    object: 'response',
    created_at: 1,
    completed_at: status === 'completed' ? 2 : null,
    status,
    incomplete_details: null,
    model: 'demo',
    previous_response_id: null,
    conversation: null,
    instructions: null,
    output,
    error: null,
    tools: [],
    tool_choice: 'auto',
    truncation: 'disabled',
    parallel_tool_calls: true,
    text: { format: { type: 'text' } },
    top_p: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    top_logprobs: 0,
    temperature: 1,
    reasoning: null,
    usage: null,
    max_output_tokens: null,
    max_tool_calls: null,
    store: true,
    background: false,
    service_tier: 'default',
    metadata: {},
    safety_identifier: null,
    prompt_cache_key: null,
    user: null,
  };
}

/** The message of the sample, saying `text`. */
export const message = (text: string, status: 'in_progress' | 'completed'): OutputItem => ({
  type: 'message',
  id: 'msg_1',
  status,
  role: 'assistant',
  content: text === '' ? [] : [{ type: 'output_text', text, annotations: [], logprobs: [] }],
});
const place = { item_id: 'msg_1', output_index: 0, content_index: 0 };
const part = (text: string) => ({ type: 'output_text' as const, text, annotations: [], logprobs: [] });

/** A stream that says "Hi". */
export const GOOD: ResponseEvent[] = [
  { type: 'response.created', sequence_number: 0, response: responseOf('in_progress') },
  { type: 'response.in_progress', sequence_number: 1, response: responseOf('in_progress') },
  { type: 'response.output_item.added', sequence_number: 2, output_index: 0, item: message('', 'in_progress') },
  { type: 'response.content_part.added', sequence_number: 3, ...place, part: part('') },
  { type: 'response.output_text.delta', sequence_number: 4, ...place, delta: 'Hi', logprobs: [] },
  { type: 'response.output_text.done', sequence_number: 5, ...place, text: 'Hi', logprobs: [] },
  { type: 'response.content_part.done', sequence_number: 6, ...place, part: part('Hi') },
  { type: 'response.output_item.done', sequence_number: 7, output_index: 0, item: message('Hi', 'completed') },
  {
    type: 'response.completed',
    sequence_number: 8,
    response: responseOf('completed', [message('Hi', 'completed')]),
  },
];

/** An event that may be wrong. */
export type Loose = Record<string, unknown>;

/** The frame of an event. */
export const frameOf = (event: Loose) =>
  `event: ${event.type}\nid: ${event.sequence_number}\ndata: ${JSON.stringify(event)}\n\n`;
/** What ends a stream. */
export const DONE = 'data: [DONE]\n\n';
/** A whole stream of these events. */
export const streamOf = (events: readonly object[]) =>
  `${events.map((event) => frameOf(event as Loose)).join('')}${DONE}`;
/** The good stream with one event changed. */
export const changed = (index: number, change: Loose) =>
  streamOf(GOOD.map((event, at) => (at === index ? { ...event, ...change } : event)));
