/** The Agents SDK for JavaScript runs its own tools against the server. */
import { Agent, OpenAIResponsesModel, run, setTracingDisabled, tool } from '@openai/agents';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

let stack: TestStack;
let asked: string[];
let agent: Agent;

beforeAll(async () => {
  setTracingDisabled(true);
  stack = await testStack({});
});
afterAll(() => stack.stop());

const askUser = tool({
  name: 'ask_user',
  description: 'Asks the user.',
  parameters: z.object({ question: z.string() }),
  execute: async ({ question }) => {
    asked.push(question);
    return `The answer to "${question}" is 42.`;
  },
});

function makeAgent(model: string): Agent {
  asked = [];
  return new Agent({
    name: 'Asker',
    instructions: 'Ask before you answer.',
    model: new OpenAIResponsesModel(stack.openai(), model),
    tools: [askUser],
  });
}

/** Two calls at once, one more, then the answer. */
const loop = script(
  '!reasoning 2',
  '!call ask_user {"question":"One?"}',
  '!call ask_user {"question":"Two?"}',
  '!turn',
  '!call ask_user {"question":"Three?"}',
  '!turn',
  '!say All is known.',
);
const QUESTIONS = ['One?', 'Two?', 'Three?'];

describe('a loop over a tool of the client', () => {
  test('run to its end', async () => {
    agent = makeAgent('demo');
    const result = await run(agent, loop.text);
    expect(result.finalOutput).toBe('All is known.');
    expect(asked.toSorted()).toEqual(QUESTIONS.toSorted());
    expect(result.rawResponses).toHaveLength(3);
    expect(result.rawResponses.every(({ usage }) => usage.totalTokens > 0)).toBe(true);
  });

  test('streamed', async () => {
    agent = makeAgent('demo');
    const result = await run(agent, loop.text, { stream: true });
    const texts: string[] = [];
    const items: string[] = [];
    for await (const event of result) {
      if (event.type === 'run_item_stream_event') items.push(event.name);
      if (event.type === 'raw_model_stream_event' && event.data.type === 'output_text_delta') {
        texts.push(event.data.delta);
      }
    }
    await result.completed;
    expect(result.finalOutput).toBe('All is known.');
    expect(texts.join('')).toBe('All is known.');
    expect(items.filter((name) => name === 'tool_output')).toHaveLength(3);
    expect(asked.toSorted()).toEqual(QUESTIONS.toSorted());
  });

  test('with the history kept by the server', async () => {
    agent = makeAgent('demo');
    const first = await run(agent, '!call ask_user {"question":"Where?"}\n!turn\n!say There.');
    expect(first.finalOutput).toBe('There.');
    const previousResponseId = first.lastResponseId;
    if (previousResponseId === undefined) throw new Error('the run was to tell its last response');
    const second = await run(agent, '!say And back.', { previousResponseId });
    expect(second.finalOutput).toBe('And back.');
  });

  test('in a conversation', async () => {
    agent = makeAgent('demo');
    const { id: conversationId } = await stack.openai().conversations.create();
    const input = '!call ask_user {"question":"When?"}\n!turn\n!say Now.';
    expect((await run(agent, input, { conversationId })).finalOutput).toBe('Now.');
    const { data } = await stack.openai().conversations.items.list(conversationId, { order: 'asc' });
    expect(data.map((item) => item.type)).toEqual(['message', 'function_call', 'function_call_output', 'message']);
  });
});

test('a structured final output', async () => {
  const structured = new Agent({
    name: 'Judge',
    model: new OpenAIResponsesModel(stack.openai(), 'demo'),
    outputType: z.object({ ok: z.boolean() }),
  });
  expect((await run(structured, '!say {"ok":true}')).finalOutput).toEqual({ ok: true });
});

test('a handoff from one agent to another', async () => {
  agent = makeAgent('demo');
  const desk = Agent.create({
    name: 'Desk',
    model: new OpenAIResponsesModel(stack.openai(), 'demo'),
    handoffs: [agent],
  });
  const result = await run(desk, '!call transfer_to_Asker {}\n!turn\n!say Asker here.');
  expect(result.finalOutput).toBe('Asker here.');
  expect(result.lastAgent?.name).toBe('Asker');
});

test('the server’s tools are kept from a client that runs every call it sees', async () => {
  const model = new OpenAIResponsesModel(
    stack.openai(0, { defaultHeaders: { 'tailrace-server-tools': 'off' } }),
    'demo',
  );
  const result = await run(new Agent({ name: 'Plain', model }), 'What is the weather in Paris?');
  expect(result.newItems.map((item) => item.type)).toEqual(['message_output_item']);
});
