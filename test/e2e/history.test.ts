/** Conversations: the client's own functions, and turns that go on from earlier ones. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { type Recorder, startRecorder } from './recorder.ts';

type Response = OpenAI.Responses.Response;
type Params = OpenAI.Responses.ResponseCreateParamsNonStreaming;

let stack: TestStack;
let recorder: Recorder;
let client: OpenAI;

beforeAll(async () => {
  recorder = await startRecorder();
  stack = await testStack({
    // What hangs at the end has no more time.
    env: { DRAIN_MS: '1000' },
    config: {
      models: [{ name: 'recorded', upstreams: [{ base_url: `${recorder.url}/v1`, model: 'upstream-name' }] }],
      tools: [{ name: 'lookup', kind: 'http', models: ['recorded'], url: `${recorder.url}/tools/echo` }],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
  client = stack.openai();
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
});

const tool = (name: string) => ({ type: 'function', name, parameters: { type: 'object' }, strict: null }) as const;
const tools = [tool('ask_user'), tool('open_door')];
const create = (params: Omit<Params, 'model'>): Promise<Response> =>
  client.responses.create({ model: 'recorded', tools, ...params });
const answerTo = (call_id: string, output: string) => ({ type: 'function_call_output', call_id, output }) as const;

function callsIn({ output }: Response): { name: string; call_id: string; arguments: string }[] {
  return output.flatMap((item) => (item.type === 'function_call' ? [item] : []));
}

async function responseRows(): Promise<number> {
  const { rows } = await stack.database.query<{ count: string }>('SELECT count(*) FROM responses');
  return Number(rows[0]?.count);
}

/** Expects a request to be refused, and nothing to be made. */
async function refused(params: Omit<Params, 'model'>, error: { code: string; param: string }): Promise<void> {
  const before = await responseRows();
  const failure = await create(params).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(failure).toBeInstanceOf(OpenAI.BadRequestError);
  expect(failure).toMatchObject({ status: 400, type: 'invalid_request_error', ...error });
  expect(await responseRows()).toBe(before);
}

describe("the client's own functions", () => {
  test('are returned to the client, and gone on from with their outputs', async () => {
    const { text, marker } = script('!call ask_user {"question":"Which door?"}', '!turn', '!say The left one, then.');
    const first = await create({ input: text });
    expect(first).toMatchObject({ status: 'completed', error: null });
    const [call] = callsIn(first);
    expect(first.output).toEqual([
      {
        type: 'function_call',
        id: expect.stringMatching(/^fc_[0-9a-f]{36}$/),
        call_id: expect.stringMatching(/^call_[0-9a-f]{36}$/),
        name: 'ask_user',
        arguments: '{"question":"Which door?"}',
        status: 'completed',
      },
    ]);
    const second = await create({
      previous_response_id: first.id,
      input: [answerTo(call?.call_id ?? '', 'The left one.')],
    });
    expect(second).toMatchObject({ output_text: 'The left one, then.', previous_response_id: first.id });
    const messages = recorder.chats(marker).at(-1)?.messages;
    const [, asked] = messages ?? [];
    const id = asked?.role === 'assistant' ? asked.tool_calls?.[0]?.id : undefined;
    // The model hears its own id again, not the one that the client was given.
    expect(id).toMatch(/^call_[0-9a-f]{20}$/);
    expect(messages).toEqual([
      { role: 'user', content: text },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id, type: 'function', function: { name: 'ask_user', arguments: '{"question":"Which door?"}' } }],
      },
      { role: 'tool', tool_call_id: id, content: 'The left one.' },
    ]);
  });

  test('beside a tool of the server: that runs first, then the turn ends with the call open', async () => {
    const { text, marker } = script(
      '!say Let me see.',
      '!call open_door {"door":1}',
      '!call lookup {"door":2}',
      '!call ask_user {}',
      '!turn',
      '!say All done.',
    );
    const first = await create({ input: text });
    expect(first.status).toBe('completed');
    expect(first.output.map((item) => item.type)).toEqual([
      'message',
      'function_call',
      'function_call',
      'function_call',
      'function_call_output',
    ]);
    const [door, lookup, user] = callsIn(first);
    expect(first.output.at(-1)).toMatchObject({ call_id: lookup?.call_id, output: '{"door":2}' });
    expect(recorder.chats(marker)).toHaveLength(1);

    const answers = [answerTo(user?.call_id ?? '', 'Yes.'), answerTo(door?.call_id ?? '', 'It is open.')];
    expect((await create({ previous_response_id: first.id, input: answers })).output_text).toBe('All done.');
    const messages = recorder.chats(marker).at(-1)?.messages ?? [];
    expect(messages.map((message) => message.role)).toEqual(['user', 'assistant', 'tool', 'tool', 'tool']);
    const calls = messages.flatMap((message) => (message.role === 'assistant' ? (message.tool_calls ?? []) : []));
    const told = new Map(
      messages.flatMap((message) => (message.role === 'tool' ? [[message.tool_call_id, message.content]] : [])),
    );
    expect(calls.map((call) => told.get(call.id))).toEqual(['It is open.', '{"door":2}', 'Yes.']);
  });

  test('must all be answered', async () => {
    const { text } = script('!call open_door {"door":1}', '!call ask_user {}');
    const first = await create({ input: text });
    const [door, user] = callsIn(first);
    const error = { code: 'tool_output_missing', param: 'input' };
    await refused({ previous_response_id: first.id, input: 'Never mind.' }, error);
    await refused({ previous_response_id: first.id, input: [answerTo(door?.call_id ?? '', 'Open.')] }, error);
    const both = [answerTo(door?.call_id ?? '', 'Open.'), answerTo(user?.call_id ?? '', 'Yes.')];
    expect((await create({ previous_response_id: first.id, input: both })).status).toBe('completed');
  });

  test('an answer to a call that nobody made is refused', async () => {
    const first = await create({ input: script('!text 1').text });
    const error = { code: 'unknown_call_id', param: 'input' };
    await refused({ input: [answerTo('call_of_nobody', 'Hm.')] }, error);
    await refused({ previous_response_id: first.id, input: [answerTo('call_of_nobody', 'Hm.')] }, error);
  });

  test('a call without its output in the input is refused', async () => {
    const call = { type: 'function_call', call_id: 'call_1', name: 'ask_user', arguments: '{}' } as const;
    await refused({ input: [call, { role: 'user', content: 'Hi' }] }, { code: 'tool_output_missing', param: 'input' });
  });

  test('parts of an output reach the model', async () => {
    const { text, marker } = script('!call ask_user {}', '!turn', '!text 1');
    const first = await create({ input: text });
    const output = [
      { type: 'input_text', text: 'This one:' },
      { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'auto' },
    ] as const;
    const call_id = callsIn(first)[0]?.call_id ?? '';
    await create({
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id, output: [...output] }],
    });
    expect(recorder.chats(marker).at(-1)?.messages.at(-1)).toMatchObject({
      role: 'tool',
      content: [
        { type: 'text', text: 'This one:' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'auto' } },
      ],
    });
  });
});

describe('turns', () => {
  test('the model is sent the whole conversation, with the instructions of the last turn alone', async () => {
    const one = script('!reasoning 2', '!call lookup {"n":1}', '!turn', '!say One.');
    const first = await create({ input: one.text, instructions: 'Answer in English.' });
    const two = script('!say Two.');
    const second = await create({ input: two.text, previous_response_id: first.id });
    expect(second).toMatchObject({ instructions: null, output_text: 'Two.' });
    const three = script('!say Three.');
    const third = await create({
      input: [{ role: 'user', content: three.text }],
      previous_response_id: second.id,
      instructions: 'Answer in French.',
    });
    expect(third).toMatchObject({ instructions: 'Answer in French.', previous_response_id: second.id });

    const turn = (id: unknown) => [
      { role: 'user', content: one.text },
      { role: 'assistant', content: null, tool_calls: [expect.objectContaining({ id })] },
      { role: 'tool', tool_call_id: id, content: '{"n":1}' },
      { role: 'assistant', content: 'One.' },
    ];
    const [chat] = recorder.chats(three.marker);
    const tools = chat?.messages.find((message) => message.role === 'tool');
    const id = tools?.role === 'tool' ? tools.tool_call_id : undefined;
    expect(chat?.messages).toEqual([
      { role: 'system', content: 'Answer in French.' },
      ...turn(id),
      { role: 'user', content: two.text },
      { role: 'assistant', content: 'Two.' },
      { role: 'user', content: three.text },
    ]);
    const [earlier] = recorder.chats(two.marker);
    expect(earlier?.messages).toEqual([...turn(id), { role: 'user', content: two.text }]);
    const [begun] = recorder.chats(one.marker);
    expect(begun?.messages[0]).toEqual({ role: 'system', content: 'Answer in English.' });
  });

  test('two may go on from the same one, and hear nothing of each other', async () => {
    const first = await create({ input: 'Hello' });
    const left = script('!say Left.');
    const right = script('!say Right.');
    await Promise.all([
      create({ input: left.text, previous_response_id: first.id }),
      create({ input: right.text, previous_response_id: first.id }),
    ]);
    const [chat] = recorder.chats(right.marker);
    expect(chat?.messages.map((message) => message.content)).toEqual(['Hello', first.output_text, right.text]);
  });

  test('one that has nothing to say goes on from what was said', async () => {
    const { text, marker } = script('!say One.', '!turn', '!say Two.');
    const first = await create({ input: text });
    const second = await create({ input: [], previous_response_id: first.id });
    expect(second.output_text).toBe('Two.');
    expect(recorder.chats(marker).at(-1)?.messages.at(-1)).toEqual({ role: 'assistant', content: 'One.' });
  });

  test('after one that failed, the conversation goes on without its answer', async () => {
    const failing = script('!error 400 no');
    const first = await create({ input: failing.text });
    expect(first.status).toBe('failed');
    const { text, marker } = script('!say Better.');
    const second = await create({ input: text, previous_response_id: first.id });
    expect(second.output_text).toBe('Better.');
    expect(recorder.chats(marker)[0]?.messages.map((message) => message.content)).toEqual([failing.text, text]);
  });
});

describe('a previous response that cannot be gone on from', () => {
  test('unknown', async () => {
    const id = `resp_${'0190a1b2c3d47e8f9a0b1c2d3e4f5a6b'}`;
    const error = { code: 'previous_response_not_found', param: 'previous_response_id' };
    await refused({ input: 'Hi', previous_response_id: id }, error);
  });

  test('malformed', async () => {
    const error = { code: 'previous_response_not_found', param: 'previous_response_id' };
    for (const id of ['resp_1', 'nonsense', `resp_${'z'.repeat(32)}`, '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b']) {
      await refused({ input: 'Hi', previous_response_id: id }, error);
    }
  });

  test('still running', async () => {
    const running = await create({ input: script('!hang 0').text, background: true });
    await eventually('it runs', async () => (await client.responses.retrieve(running.id)).status === 'in_progress');
    const error = { code: 'previous_response_in_progress', param: 'previous_response_id' };
    await refused({ input: 'Hi', previous_response_id: running.id }, error);
  });
});
