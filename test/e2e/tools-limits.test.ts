/** How far the loop goes, and which tools the model is let choose from. */
import { randomUUID } from 'node:crypto';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { type Recorder, startRecorder } from './recorder.ts';

type OutputItem = OpenAI.Responses.ResponseOutputItem;

const MAX_ITERATIONS = 4;

let stack: TestStack;
let recorder: Recorder;
let client: OpenAI;

beforeAll(async () => {
  recorder = await startRecorder();
  const echo = { kind: 'http', models: ['recorded'], url: `${recorder.url}/tools/echo` };
  stack = await testStack({
    env: { MAX_ITERATIONS: String(MAX_ITERATIONS) },
    config: {
      models: [{ name: 'recorded', upstreams: [{ base_url: `${recorder.url}/v1`, model: 'upstream-name' }] }],
      tools: [
        { ...echo, name: 'lookup' },
        { ...echo, name: 'write_down' },
      ],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
  client = stack.openai();
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
});

/** Calls of tools as lines of a script. */
const call = (tool: string, args: Record<string, unknown>) => `!call ${tool} ${JSON.stringify(args)}`;

function outputsOf(output: readonly OutputItem[]): unknown[] {
  return output.flatMap((item) => (item.type === 'function_call_output' ? [item.output] : []));
}

describe('limits', () => {
  test('max_tool_calls: what is beyond is not run, and the model is told', async () => {
    const [q1, q2, q3] = [randomUUID(), randomUUID(), randomUUID()];
    const { text } = script(
      call('lookup', { q: q1 }),
      call('lookup', { q: q2 }),
      '!turn',
      call('lookup', { q: q3 }),
      '!turn',
      '!say Enough.',
    );
    // The specification has the parameter; the client's types do not.
    const params = { model: 'recorded', input: text, ...{ max_tool_calls: 1 } };
    const response = await client.responses.create(params);
    expect(response).toMatchObject({ status: 'completed', output_text: 'Enough.', max_tool_calls: 1 });
    const [first, ...refused] = outputsOf(response.output);
    expect(JSON.parse(String(first))).toEqual({ q: q1 });
    expect(refused).toHaveLength(2);
    for (const output of refused) {
      expect(JSON.parse(String(output))).toMatchObject({ error: { code: 'max_tool_calls_exceeded' } });
    }
    const run = [q1, q2, q3].map((q) => recorder.requests('/tools/echo', q).length);
    expect(run).toEqual([1, 0, 0]);
  });

  test('a model that never comes to an end: the response fails, with the reason', async () => {
    const turns = Array.from({ length: MAX_ITERATIONS + 2 }, (_, n) => ['!turn', call('lookup', { n })]);
    const { text, marker } = script(...turns.flat().slice(1));
    const response = await client.responses.create({ model: 'recorded', input: text });
    expect(response).toMatchObject({ status: 'failed', error: { code: 'max_iterations_exceeded' } });
    expect(recorder.chats(marker)).toHaveLength(MAX_ITERATIONS);
    expect(outputsOf(response.output)).toHaveLength(MAX_ITERATIONS);
    // The client throws what an `error` event says.
    const stream = await client.responses.retrieve(response.id, { stream: true });
    const types: string[] = [];
    const read = async () => {
      for await (const event of stream) types.push(event.type);
    };
    await expect(read()).rejects.toMatchObject({ code: 'max_iterations_exceeded' });
    expect(types.at(-1)).toBe('response.output_item.done');
  });
});

describe('the choice of tools', () => {
  type Choice = NonNullable<OpenAI.Responses.ResponseCreateParams['tool_choice']>;

  /** What the model was sent, call by call, for a loop of two calls. */
  async function chosen(tool_choice: Choice, ...lines: string[]) {
    const { text, marker } = script(...lines);
    const response = await client.responses.create({ model: 'recorded', input: text, tool_choice });
    expect(response).toMatchObject({ status: 'completed', tool_choice });
    return recorder.chats(marker).map((chat) => ({
      choice: chat.tool_choice,
      tools: chat.tools?.map((tool) => tool.function.name),
    }));
  }
  const all = ['lookup', 'write_down'];

  test('required holds until a tool has been called', async () => {
    expect(await chosen('required', call('lookup', {}))).toEqual([
      { choice: 'required', tools: all },
      { choice: 'auto', tools: all },
    ]);
  });

  test('one function, until a tool has been called', async () => {
    const choice = { type: 'function', name: 'lookup' } as const;
    expect(await chosen(choice, call('lookup', {}))).toEqual([
      { choice: { type: 'function', function: { name: 'lookup' } }, tools: all },
      { choice: 'auto', tools: all },
    ]);
  });

  test('none', async () => {
    expect(await chosen('none', '!text 1')).toEqual([{ choice: 'none', tools: all }]);
  });

  test('allowed tools: the model hears of no others', async () => {
    const tools = [{ type: 'function', name: 'lookup' }];
    expect(await chosen({ type: 'allowed_tools', mode: 'required', tools }, call('lookup', {}))).toEqual([
      { choice: 'required', tools: ['lookup'] },
      { choice: 'auto', tools: ['lookup'] },
    ]);
  });

  test('parallel_tool_calls is the model server to obey', async () => {
    const { text, marker } = script('!text 1');
    const params = { model: 'recorded', input: text, parallel_tool_calls: false };
    expect(await client.responses.create(params)).toMatchObject({ parallel_tool_calls: false });
    expect(recorder.chats(marker).map((chat) => chat.parallel_tool_calls)).toEqual([false]);
  });
});
