import type OpenAI from 'openai';
import { expect } from 'vitest';
import { callIn, collect, type Scenario, tool } from './scenario.ts';

const askUser = tool('ask_user', { question: { type: 'string' } });
const openDoor = tool('open_door', { door: { type: 'integer' } });

const typesOf = ({ output }: OpenAI.Responses.Response) => output.map((item) => item.type);

/** Functions of the client, and tools of the server. */
export function toolScenarios(scenario: Scenario): void {
  scenario('function-round-trip', async ({ client, elsewhere }) => {
    const input = '!call ask_user {"question":"Which door?"}\n!turn\n!say The left one, then.';
    const first = await client.responses.create({ model: 'demo', input, tools: [askUser] });
    const call = callIn(first);
    expect(JSON.parse(call.arguments)).toEqual({ question: 'Which door?' });
    const second = await elsewhere.responses.create({
      model: 'demo',
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: call.call_id, output: 'The left one.' }],
      tools: [askUser],
    });
    expect(second).toMatchObject({ status: 'completed', output_text: 'The left one, then.' });
  });

  scenario('function-items', async ({ client }) => {
    const items: OpenAI.Responses.ResponseInput = [
      { role: 'user', content: '!reasoning 1\n!call ask_user {"question":"?"}\n!turn\n!say Thanks.' },
    ];
    const params = { model: 'demo', tools: [askUser], store: false };
    const first = await client.responses.create({ ...params, input: items });
    // The types of output and input differ in what no server sends.
    items.push(...(first.output as OpenAI.Responses.ResponseInput));
    items.push({ type: 'function_call_output', call_id: callIn(first).call_id, output: '{"answer":42}' });
    expect((await client.responses.create({ ...params, input: items })).output_text).toBe('Thanks.');
  });

  scenario('parallel-calls', async ({ client }) => {
    const input =
      '!call ask_user {"question":"One?"}\n!call open_door {"door":2}\n!call ask_user {"question":"Three?"}';
    const params = { model: 'demo', input, tools: [askUser, openDoor] };
    const events = await collect(await client.responses.create({ ...params, stream: true }));
    const texts = new Map<string, string>();
    for (const event of events) {
      if (event.type !== 'response.function_call_arguments.delta') continue;
      const key = `${event.output_index} ${event.item_id}`;
      texts.set(key, `${texts.get(key) ?? ''}${event.delta}`);
    }
    const last = events.at(-1);
    if (last?.type !== 'response.completed') throw new Error(`it ended with ${last?.type}`);
    const calls = last.response.output.flatMap((item) => (item.type === 'function_call' ? [item] : []));
    expect(calls.map(({ name }) => name)).toEqual(['ask_user', 'open_door', 'ask_user']);
    expect([...texts]).toEqual(calls.map((call, index) => [`${index} ${call.id}`, call.arguments]));
    expect(new Set(calls.map(({ call_id }) => call_id)).size).toBe(3);
  });

  scenario('parallel-tool-calls-false', async ({ client }) => {
    const input = 'What is the weather in Paris and Oslo?';
    const response = await client.responses.create({ model: 'demo', input, parallel_tool_calls: false });
    expect(response).toMatchObject({ status: 'completed', parallel_tool_calls: false });
    const types = typesOf(response).filter((type) => type.startsWith('function_call'));
    expect(types).toEqual(['function_call', 'function_call_output', 'function_call', 'function_call_output']);
    const parallel = await client.responses.create({ model: 'demo', input });
    expect(typesOf(parallel).slice(0, 2)).toEqual(['function_call', 'function_call']);
  });

  scenario('server-tools', async ({ client }) => {
    const input = 'What is the weather in Paris?';
    const response = await client.responses.create({ model: 'demo', input });
    expect(typesOf(response)).toEqual(['function_call', 'function_call_output', 'message']);
    const [call, output] = response.output;
    expect(call).toMatchObject({ name: 'get_weather', status: 'completed' });
    expect(output).toMatchObject({ type: 'function_call_output', status: 'completed' });
    expect(response.output_text).toMatch(/^In Paris it is /);
    const final = await client.responses.stream({ model: 'demo', input }).finalResponse();
    expect(typesOf(final)).toEqual(typesOf(response));
    expect(final.output_text).toBe(response.output_text);
  });

  scenario('tool-choice-none', async ({ client }) => {
    const params = { model: 'demo', input: 'What is the weather in Paris?', tool_choice: 'none' } as const;
    const response = await client.responses.create(params);
    expect(response).toMatchObject({ status: 'completed', tool_choice: 'none' });
    expect(typesOf(response)).toEqual(['message']);
  });

  scenario('tool-choice-required', async ({ client }) => {
    const params = { model: 'demo', input: 'Hello', tool_choice: 'required' } as const;
    const response = await client.responses.create(params);
    expect(response).toMatchObject({ status: 'completed', tool_choice: 'required' });
    expect(typesOf(response)).toEqual(['function_call', 'function_call_output', 'message']);
  });

  scenario('tool-choice-function', async ({ client }) => {
    const tool_choice = { type: 'function', name: 'open_door' } as const;
    const params = { model: 'demo', input: 'Hello', tools: [askUser, openDoor], tool_choice };
    const response = await client.responses.create(params);
    expect(response.tool_choice).toEqual(tool_choice);
    expect(callIn(response).name).toBe('open_door');
    expect(JSON.parse(callIn(response).arguments)).toEqual({ door: expect.any(Number) });
  });

  scenario('tool-choice-allowed', async ({ client }) => {
    const tools = [{ type: 'function', name: 'ask_user' }];
    const response = await client.responses.create({
      model: 'demo',
      input: 'Hello',
      tools: [openDoor, askUser],
      tool_choice: { type: 'allowed_tools', mode: 'required', tools },
    });
    expect(response.tool_choice).toEqual({ type: 'allowed_tools', mode: 'required', tools });
    expect(callIn(response).name).toBe('ask_user');
  });

  scenario('max-tool-calls', async ({ client }) => {
    const response = await client.responses.create({
      model: 'demo',
      input: '!call get_time {"city":"Oslo"}\n!call get_time {"city":"Rome"}\n!turn\n!say Enough.',
      // The specification has it; the client's types do not.
      ...{ max_tool_calls: 1 },
    });
    expect(response).toMatchObject({ status: 'completed', output_text: 'Enough.', max_tool_calls: 1 });
    const outputs = response.output.flatMap((item) => (item.type === 'function_call_output' ? [item.output] : []));
    expect(outputs.map((output) => JSON.parse(String(output)))).toMatchObject([
      { city: 'Oslo' },
      { error: { code: 'max_tool_calls_exceeded' } },
    ]);
  });
}
