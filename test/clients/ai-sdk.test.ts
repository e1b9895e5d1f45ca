/** The AI SDK with its OpenAI provider runs its own tools against the server. */
import { createOpenAI, type OpenAILanguageModelResponsesOptions, type OpenAIProvider } from '@ai-sdk/openai';
import { generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

let stack: TestStack;
let openai: OpenAIProvider;
let asked: string[];

beforeAll(async () => {
  stack = await testStack({});
  const baseURL = `${stack.gateways[0]}/v1`;
  openai = createOpenAI({ baseURL, apiKey: stack.apiKey, fetch: stack.validatingFetch });
});
afterAll(() => stack.stop());
beforeEach(() => {
  asked = [];
});

const tools = {
  ask_user: tool({
    description: 'Asks the user.',
    inputSchema: z.object({ question: z.string() }),
    execute: async ({ question }) => {
      asked.push(question);
      return { answer: `It is 42, ${question}` };
    },
  }),
};

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
const stopWhen = stepCountIs(5);

describe('a loop over a tool of the client', () => {
  const unstored = {
    store: false,
    include: ['reasoning.encrypted_content'],
  } satisfies OpenAILanguageModelResponsesOptions;

  test.each([
    ['with the items kept by the server', {}],
    ['with all items sent back', { openai: unstored }],
  ])('run to its end, %s', async (_, providerOptions) => {
    const result = await generateText({ model: openai('demo'), tools, stopWhen, prompt: loop.text, providerOptions });
    expect(result).toMatchObject({ text: 'All is known.', finishReason: 'stop' });
    expect(result.steps.map(({ toolResults }) => toolResults.length)).toEqual([2, 1, 0]);
    expect(asked.toSorted()).toEqual(QUESTIONS.toSorted());
    expect(result.totalUsage.totalTokens).toBeGreaterThan(0);
  });

  test.each([
    ['with the items kept by the server', {}],
    ['with all items sent back', { openai: unstored }],
  ])('streamed, %s', async (_, providerOptions) => {
    const errors: unknown[] = [];
    const result = streamText({
      model: openai('demo'),
      tools,
      stopWhen,
      prompt: loop.text,
      providerOptions,
      onError: ({ error }) => {
        errors.push(error);
      },
    });
    const deltas: string[] = [];
    for await (const delta of result.textStream) deltas.push(delta);
    expect(errors).toEqual([]);
    expect(deltas.join('')).toBe('All is known.');
    expect(await result.finishReason).toBe('stop');
    expect((await result.steps).map(({ toolResults }) => toolResults.length)).toEqual([2, 1, 0]);
    expect(asked.toSorted()).toEqual(QUESTIONS.toSorted());
  });
});

test('a summary of the reasoning', async () => {
  const providerOptions = { openai: { reasoningSummary: 'auto' } satisfies OpenAILanguageModelResponsesOptions };
  // The provider asks for reasoning only where it knows the model for it.
  const openaiOptions = { openai: { ...providerOptions.openai, forceReasoning: true } };
  const prompt = '!reasoning 2\n!say Yes.';
  const result = await generateText({ model: openai('demo'), prompt, providerOptions: openaiOptions });
  expect(result).toMatchObject({ text: 'Yes.', reasoningText: 'r1 r2 ' });
});

test('a structured output', async () => {
  const schema = z.object({ ok: z.boolean() });
  const output = Output.object({ schema });
  expect((await generateText({ model: openai('demo'), output, prompt: '!say {"ok":true}' })).output).toEqual({
    ok: true,
  });
});

test('an error of the request, and one of the model server', async () => {
  const refused = generateText({ model: openai('gpt-0'), prompt: 'Hi', maxRetries: 0 });
  await expect(refused).rejects.toMatchObject({ statusCode: 404 });
  const errors: unknown[] = [];
  const failing = streamText({
    model: openai('demo'),
    prompt: '!error 400 Too rude.',
    maxRetries: 0,
    onError: ({ error }) => {
      errors.push(error);
    },
  });
  await failing.consumeStream();
  expect(errors).toMatchObject([{ message: expect.stringContaining('Too rude') }]);
});
