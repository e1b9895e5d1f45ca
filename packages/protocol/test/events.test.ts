import { describe, expect, test } from 'vitest';
import { EVENT_SCHEMAS, type EventType, type ResponseEvent, TERMINAL_EVENTS } from '../src/index.ts';
import { call, mcpCall, message, output, resource, textPart, thoughts } from './logs.ts';

const logprobs = [{ token: 'a', logprob: -1, bytes: [97], top_logprobs: [{ token: 'b', logprob: -2.5, bytes: [98] }] }];
const inItem = { item_id: 'i', output_index: 0 };
const inPart = { ...inItem, content_index: 1 };
const inSummary = { ...inItem, summary_index: 1 };
const summary = { type: 'summary_text', text: 's' } as const;
const response = resource();

const SPECIMENS: { [T in EventType]: Omit<Extract<ResponseEvent, { type: T }>, 'type' | 'sequence_number'> } = {
  'response.created': { response },
  'response.queued': { response: resource({ status: 'queued', output: [thoughts, message, call, output] }) },
  'response.in_progress': { response },
  'response.completed': { response },
  'response.failed': {
    response: resource({ status: 'failed', error: { type: 'server_error', code: 'upstream_error', message: 'no' } }),
  },
  'response.incomplete': { response: resource({ incomplete_details: { reason: 'max_output_tokens' } }) },
  'response.output_item.added': { output_index: 0, item: call },
  'response.output_item.done': { output_index: 0, item: { ...thoughts, summary: [summary], encrypted_content: 'e' } },
  'response.content_part.added': { ...inPart, part: textPart('') },
  'response.content_part.done': { ...inPart, part: { type: 'reasoning_text', text: 'r' } },
  'response.output_text.delta': { ...inPart, delta: 'a', logprobs },
  'response.output_text.done': { ...inPart, text: 'a', logprobs },
  'response.output_text.annotation.added': {
    ...inPart,
    annotation_index: 0,
    annotation: { type: 'url_citation', url: 'u', start_index: 0, end_index: 1, title: 't' },
  },
  'response.refusal.delta': { ...inPart, delta: 'n' },
  'response.refusal.done': { ...inPart, refusal: 'no' },
  'response.reasoning.delta': { ...inPart, delta: 'h' },
  'response.reasoning.done': { ...inPart, text: 'hm' },
  'response.reasoning_summary_part.added': { ...inSummary, part: summary },
  'response.reasoning_summary_part.done': { ...inSummary, part: summary },
  'response.reasoning_summary_text.delta': { ...inSummary, delta: 's' },
  'response.reasoning_summary_text.done': { ...inSummary, text: 's' },
  'response.function_call_arguments.delta': { ...inItem, delta: '{' },
  'response.function_call_arguments.done': { ...inItem, name: 'f', arguments: '{}' },
  'response.mcp_list_tools.in_progress': inItem,
  'response.mcp_list_tools.completed': inItem,
  'response.mcp_list_tools.failed': inItem,
  'response.mcp_call.in_progress': inItem,
  'response.mcp_call_arguments.delta': { ...inItem, delta: '{' },
  'response.mcp_call_arguments.done': { ...inItem, arguments: '{}' },
  'response.mcp_call.completed': inItem,
  'response.mcp_call.failed': inItem,
  'tailrace.progress': {
    step_id: 'step_2',
    parent_step_id: 'step_1',
    agent: 'researcher',
    depth: 1,
    event: { type: 'response.output_item.done', output_index: 0, item: mcpCall },
  },
  error: { error: { type: 'model_error', code: 'upstream_error', message: 'no', param: null } },
};

const types = Object.keys(SPECIMENS) as EventType[];
const specimen = (type: EventType): Record<string, unknown> => ({ type, sequence_number: 7, ...SPECIMENS[type] });

describe('the schema of an event', () => {
  test('there is one for each', () => {
    expect(Object.keys(EVENT_SCHEMAS).sort()).toEqual(types.toSorted());
  });

  test.each(types)('%s: takes it as it is', (type) => {
    expect(EVENT_SCHEMAS[type].parse(specimen(type))).toStrictEqual(specimen(type));
  });

  test.each(types)('%s: every field is needed, and no other is known', (type) => {
    for (const field of Object.keys(specimen(type))) {
      const { [field]: _gone, ...rest } = specimen(type);
      expect(EVENT_SCHEMAS[type].safeParse(rest).success, `without ${field}`).toBe(false);
    }
    expect(EVENT_SCHEMAS[type].safeParse({ ...specimen(type), extra: 1 }).success).toBe(false);
    expect(EVENT_SCHEMAS[type].safeParse({ ...specimen(type), sequence_number: -1 }).success).toBe(false);
  });

  test('deltas, and they alone, may be padded', () => {
    const padded = types.filter(
      (type) => EVENT_SCHEMAS[type].safeParse({ ...specimen(type), obfuscation: 'xx' }).success,
    );
    expect(padded).toEqual(types.filter((type) => type.endsWith('.delta')));
  });

  test.each(Object.keys(response))('a response without %s is none', (field) => {
    const cut = Object.fromEntries(Object.entries(response).filter(([name]) => name !== field));
    expect(
      EVENT_SCHEMAS['response.created'].safeParse({ ...specimen('response.created'), response: cut }).success,
    ).toBe(false);
  });

  test('what an agent does is told as the events of its items, and of nothing else', () => {
    const progress = (event: object) => ({ ...specimen('tailrace.progress'), event });
    const schema = EVENT_SCHEMAS['tailrace.progress'];
    for (const type of types) {
      const { sequence_number: _number, ...event } = specimen(type);
      const ofItem = 'output_index' in event;
      expect(schema.safeParse(progress(event)).success, type).toBe(ofItem);
      expect(schema.safeParse(progress(specimen(type))).success, `${type} with a number`).toBe(false);
    }
  });

  test('nothing comes after three of them; an error is none of these', () => {
    expect([...TERMINAL_EVENTS].sort()).toEqual(['response.completed', 'response.failed', 'response.incomplete']);
  });
});
