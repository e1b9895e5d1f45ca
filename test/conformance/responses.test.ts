/**
 * What a conformance suite for Open Responses asks of any server, over HTTP, with the configuration that `npm start` has and
 * the demo model. That each answer obeys the specification's schemas is checked by the stack itself.
 */
import type { CompactResource, OutputItem, ResponseEvent, ResponseResource } from '@tailrace/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({});
});
afterAll(() => stack.stop());

const says = (role: string, content: unknown, more: object = {}) => ({ type: 'message', role, content, ...more });
const ask = (input: unknown, more: object = {}) => ({ model: 'demo', input, ...more });

function post(path: string, body: object): Promise<Response> {
  return stack.fetch(path, { method: 'POST', body: JSON.stringify(body) });
}

async function respond(body: object): Promise<ResponseResource> {
  const answer = await post('/v1/responses', body);
  const response = (await answer.json()) as ResponseResource;
  expect({ status: answer.status, state: response.status, error: response.error }).toEqual({
    status: 200,
    state: 'completed',
    error: null,
  });
  return response;
}

async function stream(body: object): Promise<ResponseEvent[]> {
  const { frames, done } = await readFrames(await post('/v1/responses', { ...body, stream: true }));
  expect(done).toBe(true);
  return frames.map(eventOf);
}

function messagesIn(output: readonly OutputItem[]): Extract<OutputItem, { type: 'message' }>[] {
  return output.flatMap((item) => (item.type === 'message' ? [item] : []));
}

describe('a response', () => {
  test('to a message of the user', async () => {
    const { output } = await respond(ask([says('user', 'Greet me in three words.')]));
    expect(messagesIn(output)).toMatchObject([{ role: 'assistant', status: 'completed' }]);
  });

  test('to a conversation in which an assistant message has a phase', async () => {
    const { output } = await respond(
      ask([
        says('user', 'Which files are there?'),
        says('assistant', 'I am looking.', { phase: 'commentary' }),
        says('assistant', [{ type: 'output_text', text: 'There are two.' }], { phase: 'final_answer' }),
        says('user', 'Name them.'),
      ]),
    );
    expect(messagesIn(output)).toHaveLength(1);
  });

  test('whose messages have a phase that the specification knows, or none', async () => {
    const { output } = await respond(ask([says('user', 'Hello')]));
    for (const message of messagesIn(output)) {
      expect([undefined, 'commentary', 'final_answer']).toContain(message.phase);
    }
  });

  test('as a stream', async () => {
    const events = await stream(ask([says('user', 'Count to five.')]));
    expect(events[0]?.type).toBe('response.created');
    const last = events.at(-1);
    expect(last).toMatchObject({ type: 'response.completed', response: { status: 'completed' } });
    const text = events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])).join('');
    expect(text).not.toBe('');
    expect(last).toMatchObject({ response: { output: [{ content: [{ text }] }] } });
  });

  test('under a system prompt', async () => {
    const input = [says('system', 'You are a sailor.'), says('user', 'Say hello.')];
    expect(messagesIn((await respond(ask(input))).output)).toHaveLength(1);
  });

  test('to a picture', async () => {
    const content = [
      { type: 'input_text', text: 'What is in this picture?' },
      { type: 'input_image', image_url: PIXEL },
    ];
    expect(messagesIn((await respond(ask([says('user', content)]))).output)).toHaveLength(1);
  });

  test('in the middle of a conversation', async () => {
    const input = [
      says('user', 'I am called Ada.'),
      says('assistant', 'Good to meet you, Ada.'),
      says('user', 'What am I called?'),
    ];
    expect(messagesIn((await respond(ask(input))).output)).toHaveLength(1);
  });
});

describe('a call of a function of the client, where the server has a tool of the same name', () => {
  const parameters = { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] };
  const tools = [{ type: 'function', name: 'get_weather', description: 'The weather at a place.', parameters }];
  const question = ask([says('user', "What's the weather like in San Francisco?")], { tools });

  test('is left to the client', async () => {
    const { output } = await respond(question);
    expect(output.map((item) => item.type)).toEqual(['function_call']);
    const [call] = output;
    expect(call).toMatchObject({ name: 'get_weather', status: 'completed' });
    const args: unknown = call?.type === 'function_call' ? JSON.parse(call.arguments) : undefined;
    expect(args).toEqual({ location: 'San Francisco' });
  });

  test('as a stream', async () => {
    const events = await stream(question);
    const types = events.map((event) => event.type);
    const added = types.indexOf('response.output_item.added');
    expect(events[added]).toMatchObject({ item: { type: 'function_call', arguments: '' } });
    expect(types.slice(added).filter((type, index, all) => type !== all[index - 1])).toEqual([
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ]);
  });

  test('and its output is gone on from', async () => {
    const { id, output } = await respond(question);
    const call_id = output[0]?.type === 'function_call' ? output[0].call_id : '';
    const input = [{ type: 'function_call_output', call_id, output: 'Fog, 14 degrees.' }];
    const next = await respond(ask(input, { previous_response_id: id, tools }));
    expect(messagesIn(next.output)).toMatchObject([
      { content: [{ text: expect.stringContaining('Fog, 14 degrees.') }] },
    ]);
  });
});

describe('compaction', () => {
  const input = [
    says('user', 'Make a page for a café.'),
    says('assistant', [{ type: 'output_text', text: 'Here it is: <h1>Café</h1>' }]),
  ];

  test('gives an item that stands for the conversation', async () => {
    const answer = await post('/v1/responses/compact', ask(input, { prompt_cache_key: 'a-cache-key' }));
    expect(answer.status).toBe(200);
    const { object, output, usage } = (await answer.json()) as CompactResource;
    expect(object).toBe('response.compaction');
    const compaction = output.find((item) => item.type === 'compaction');
    expect(compaction?.encrypted_content).toMatch(/./);
    expect(usage.total_tokens).toBeGreaterThan(0);
    const next = await respond(ask([...output, says('user', 'Now in French.')]));
    expect(messagesIn(next.output)).toHaveLength(1);
  });

  test('needs a model', async () => {
    const answer = await post('/v1/responses/compact', { input });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { code: 'missing_required_parameter', param: 'model' } });
  });
});
