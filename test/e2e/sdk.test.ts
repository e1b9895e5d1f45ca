/** What applications do with the official client, unmodified. */
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import type { TestStack } from '../harness/stack.ts';
import { type RecordedStack, recordedStack } from './recorded-stack.ts';
import type { Recorder } from './recorder.ts';

type Response = OpenAI.Responses.Response;
type StreamEvent = OpenAI.Responses.ResponseStreamEvent;

let recorded: RecordedStack;
let stack: TestStack;
let recorder: Recorder;
let client: OpenAI;
let elsewhere: OpenAI;

beforeAll(async () => {
  recorded = await recordedStack();
  ({ stack, recorder } = recorded);
  client = stack.openai(0);
  elsewhere = stack.openai(1);
});
afterAll(() => recorded.stop());

async function collect(stream: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

function idIn(events: readonly StreamEvent[]): string {
  const [first] = events;
  if (first?.type !== 'response.created') throw new Error('the first event creates');
  return first.response.id;
}

describe('a response', () => {
  test('streamed: the events of reasoning and text, in the order of the specification', async () => {
    const { text } = script('!reasoning 2', '!text 3');
    const events = await collect(await client.responses.create({ model: 'demo', input: text, stream: true }));
    expect(events.map((event) => event.type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      ...Array.from({ length: 2 }, () => 'response.reasoning.delta'),
      'response.reasoning.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      ...Array.from({ length: 3 }, () => 'response.output_text.delta'),
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
  });

  test('streamed with the helper: its events, and the final response', async () => {
    const { text } = script('!call get_weather {"city":"Paris","_ms":1}', '!turn', '!text 12');
    const stream = client.responses.stream({ model: 'demo', input: text });
    const snapshots: string[] = [];
    stream.on('response.output_text.delta', (event) => snapshots.push(event.snapshot));
    const final = await stream.finalResponse();
    expect(final.status).toBe('completed');
    expect(final.output_text).toBe('w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 ');
    expect(snapshots.at(-1)).toBe(final.output_text);
    const stored = await client.responses.retrieve(final.id);
    expect(stored.output.map((item) => item.id)).toEqual(final.output.map((item) => item.id));
    expect(stored.output.map((item) => item.type)).toEqual(['function_call', 'function_call_output', 'message']);
  });

  test('blocking: the whole response at once, the same as it is retrieved from any gateway', async () => {
    const response = await client.responses.create({ model: 'demo', input: script('!say Well, then.').text });
    expect(response).toMatchObject({ object: 'response', status: 'completed', error: null, model: 'demo' });
    expect(response.output_text).toBe('Well, then.');
    expect(response.output).toEqual([
      {
        type: 'message',
        id: expect.stringMatching(/^msg_[0-9a-f]{36}$/),
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'Well, then.', annotations: [], logprobs: [] }],
      },
    ]);
    expect(await elsewhere.responses.retrieve(response.id)).toEqual(response);
  });

  test('in the background: told at once, polled at the other gateway until it is complete', async () => {
    const { text } = script('!text 30 50');
    const begun = await client.responses.create({ model: 'demo', input: text, background: true });
    expect(['queued', 'in_progress']).toContain(begun.status);
    expect(begun).toMatchObject({ background: true, output: [], usage: null });
    const seen = new Set<string | undefined>();
    const ended = await eventually('the background response completes', async () => {
      const now = await elsewhere.responses.retrieve(begun.id);
      seen.add(now.status);
      return now.status === 'completed' && now;
    });
    expect([...seen]).toEqual(['in_progress', 'completed']);
    expect(ended.output_text.split(' ')).toHaveLength(31);
    expect(ended.created_at).toBe(begun.created_at);
  });

  test('in the background and streamed', async () => {
    const params = { model: 'demo', input: script('!text 2').text, background: true, stream: true } as const;
    const events = await collect(await client.responses.create(params));
    const states = events.flatMap((event) => ('response' in event ? [`${event.type} ${event.response.status}`] : []));
    expect(states).toEqual([
      'response.created queued',
      'response.queued queued',
      'response.in_progress in_progress',
      'response.completed completed',
    ]);
  });

  test('left in the middle and gone on with at the other gateway, with starting_after', async () => {
    const { text } = script('!text 40 10');
    const begun: StreamEvent[] = [];
    for await (const event of await client.responses.create({ model: 'demo', input: text, stream: true })) {
      begun.push(event);
      if (begun.length === 10) break;
    }
    const id = idIn(begun);
    const rest = await collect(await elsewhere.responses.retrieve(id, { stream: true, starting_after: 9 }));
    const whole = await collect(await elsewhere.responses.retrieve(id, { stream: true }));
    expect([...begun, ...rest]).toEqual(whole);
    expect(rest.at(-1)?.type).toBe('response.completed');
  });

  test('attached to with the helper, after its end', async () => {
    const response = await client.responses.create({ model: 'demo', input: script('!text 5').text });
    const stream = elsewhere.responses.stream({ response_id: response.id, starting_after: 5 });
    const numbers: number[] = [];
    stream.on('event', (event) => numbers.push(event.sequence_number));
    const final = await stream.finalResponse();
    expect(final.output_text).toBe(response.output_text);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index + 6));
  });

  test('asked for between its creation and the first token', async () => {
    const begun = await client.responses.create({
      model: 'demo',
      input: script('!hang 0').text,
      background: true,
    });
    const now = await elsewhere.responses.retrieve(begun.id);
    expect(now).toMatchObject({ id: begun.id, status: 'in_progress', output: [], usage: null, error: null });
  });
});

describe('how a response ends', () => {
  const ask = (...lines: string[]): Promise<Response> =>
    client.responses.create({ model: 'demo', input: script(...lines).text });

  test('out of tokens: incomplete, with what there is', async () => {
    const { text } = script('!text 5', '!finish length');
    const events = await collect(
      await client.responses.create({ model: 'demo', input: text, stream: true, max_output_tokens: 16 }),
    );
    const last = events.at(-1);
    if (last?.type !== 'response.incomplete') throw new Error(`it ended with ${last?.type}`);
    expect(last.response).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(last.response.output).toMatchObject([{ type: 'message', status: 'incomplete' }]);
    const stored = await client.responses.retrieve(last.response.id);
    expect(stored).toMatchObject({
      output_text: 'w1 w2 w3 w4 w5 ',
      incomplete_details: { reason: 'max_output_tokens' },
    });
  });

  test('the content filter: incomplete', async () => {
    const response = await ask('!text 2', '!finish content_filter');
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'content_filter' } });
  });

  test('a call that was cut off by the limit is not run', async () => {
    const response = await ask('!raw-call get_weather {"city":"Pa', '!finish length');
    expect(response).toMatchObject({ status: 'incomplete', output: [{ type: 'function_call', status: 'incomplete' }] });
    const steps = await (await stack.fetch(`/v1/responses/${response.id}/steps`)).json();
    expect(steps).toMatchObject({ data: [{ kind: 'model_call' }] });
  });

  test('a refusal', async () => {
    const { text } = script('!refuse I will not.');
    const events = await collect(await client.responses.create({ model: 'demo', input: text, stream: true }));
    const types = events.map((event) => event.type);
    expect(types.filter((type) => type === 'response.refusal.delta')).toHaveLength(3);
    expect(types).toContain('response.refusal.done');
    const response = await elsewhere.responses.retrieve(idIn(events));
    expect(response).toMatchObject({
      status: 'completed',
      output_text: '',
      output: [{ type: 'message', content: [{ type: 'refusal', refusal: 'I will not.' }] }],
    });
  });

  test('with its reasoning', async () => {
    const response = await ask('!reasoning 3', '!say Yes.');
    expect(response.output).toMatchObject([
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'r1 r2 r3 ' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'Yes.' }] },
    ]);
  });

  test('a model that says nothing', async () => {
    expect(await ask('!text 0')).toMatchObject({ status: 'completed', output: [], output_text: '' });
  });

  test('its usage is the sum over the model calls', async () => {
    const response = await ask(
      '!usage 10 5 3 2',
      '!call get_time {"city":"Oslo","_ms":1}',
      '!turn',
      '!usage 20 7 1 4',
      '!text 2',
    );
    expect(response.usage).toEqual({
      input_tokens: 30,
      input_tokens_details: { cached_tokens: 4 },
      output_tokens: 12,
      output_tokens_details: { reasoning_tokens: 6 },
      total_tokens: 42,
    });
  });

  test('its usage is an estimate where the model tells none', async () => {
    const { usage } = await ask('!no-usage', '!say Four words, or so.');
    expect(usage?.input_tokens).toBeGreaterThan(0);
    expect(usage?.output_tokens).toBeGreaterThanOrEqual(4);
    expect(usage?.total_tokens).toBe((usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0));
  });

  test('max_output_tokens is one budget for all model calls', async () => {
    const { text, marker } = script(
      '!usage 10 30',
      '!call get_time {"city":"Oslo","_ms":1}',
      '!turn',
      '!usage 20 30',
      '!call get_time {"city":"Rome","_ms":1}',
    );
    const tool = { name: 'get_time', type: 'function', strict: null, parameters: {} } as const;
    const response = await client.responses.create({ model: 'demo', input: text, max_output_tokens: 60 });
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(response.usage?.output_tokens).toBe(60);
    const own = await client.responses.create({ model: 'recorded', input: text, max_output_tokens: 60, tools: [tool] });
    const call = own.output.find((item) => item.type === 'function_call');
    await client.responses.create({
      model: 'recorded',
      previous_response_id: own.id,
      input: [{ type: 'function_call_output', call_id: call?.call_id ?? '', output: 'noon' }],
      max_output_tokens: 50,
      tools: [tool],
    });
    expect(recorder.chats(marker).map((chat) => chat.max_tokens)).toEqual([60, 50]);
  });
});
