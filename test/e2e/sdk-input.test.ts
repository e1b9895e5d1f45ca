/** What requests of the official client amount to at the model server. */
import type OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { script } from '../harness/scripts.ts';
import type { TestStack } from '../harness/stack.ts';
import { type RecordedStack, recordedStack } from './recorded-stack.ts';
import type { Recorder } from './recorder.ts';

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

describe('what the model is sent', () => {
  async function chatOf(params: Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'model'>, marker: string) {
    await client.responses.create({ model: 'recorded', ...params });
    const [chat, more] = recorder.chats(marker);
    if (!chat || more) throw new Error('the model was to be called once');
    return chat;
  }

  test('a string is a message of the user', async () => {
    const { text, marker } = script('!text 1');
    const chat = await chatOf({ input: text }, marker);
    expect(chat).toMatchObject({
      model: 'upstream-name',
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content: text }],
    });
    expect(Object.keys(chat).sort()).toEqual(['messages', 'model', 'stream', 'stream_options']);
    expect(recorder.requests('/v1/chat/completions', marker)[0]?.headers.authorization).toBe('Bearer sk-upstream');
  });

  test('items: messages of all roles, with and without their type, and images', async () => {
    const { text, marker } = script('!text 1');
    const image = `data:image/png;base64,${Buffer.from(marker).toString('base64')}`;
    const chat = await chatOf(
      {
        instructions: 'Be brief.',
        input: [
          { role: 'developer', content: 'Be kind.' },
          { type: 'message', role: 'system', content: [{ type: 'input_text', text: 'Be right.' }] },
          { role: 'user', content: 'A question.' },
          { role: 'assistant', content: 'An answer.' },
          {
            type: 'message',
            role: 'user',
            content: [
              { type: 'input_text', text },
              { type: 'input_image', image_url: image, detail: 'low' },
            ],
          },
        ],
      },
      marker,
    );
    expect(chat.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'system', content: 'Be kind.' },
      { role: 'system', content: 'Be right.' },
      { role: 'user', content: 'A question.' },
      { role: 'assistant', content: 'An answer.' },
      {
        role: 'user',
        content: [
          { type: 'text', text },
          { type: 'image_url', image_url: { url: image, detail: 'low' } },
        ],
      },
    ]);
  });

  test('an output given back as input, calls and their outputs included', async () => {
    const { text, marker } = script('!text 1', '!turn', '!say Thanks.');
    const chat = await chatOf(
      {
        input: [
          { role: 'user', content: text },
          { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] },
          { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'look', arguments: '{}', status: 'completed' },
          { type: 'function_call_output', call_id: 'call_1', output: 'Seen.' },
        ],
      },
      marker,
    );
    expect(chat.messages).toEqual([
      { role: 'user', content: text },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'Seen.' },
    ]);
  });

  test('the sampling parameters and the format, and the response echoes them with the metadata', async () => {
    const { text, marker } = script('!say {"ok":true}');
    const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] };
    const params = {
      input: text,
      temperature: 0.25,
      top_p: 0.5,
      max_output_tokens: 64,
      reasoning: { effort: 'low' },
      text: { format: { type: 'json_schema', name: 'verdict', schema, strict: true }, verbosity: 'low' },
      metadata: { order: '17', marker },
      safety_identifier: 'somebody',
      prompt_cache_key: 'cache-key',
      // The specification has these two; the client's types do not.
      ...{ presence_penalty: 0.5, frequency_penalty: -0.5 },
    } as const;
    const response = await client.responses.create({ model: 'recorded', ...params });
    expect(recorder.chats(marker)).toMatchObject([
      {
        temperature: 0.25,
        top_p: 0.5,
        max_tokens: 64,
        presence_penalty: 0.5,
        frequency_penalty: -0.5,
        reasoning_effort: 'low',
        verbosity: 'low',
        response_format: { type: 'json_schema', json_schema: { name: 'verdict', schema, strict: true } },
      },
    ]);
    expect(recorder.chats(marker)[0]).not.toHaveProperty('metadata');
    const { input: _, ...sent } = params;
    // The specification has no place for the schema itself in a response.
    const format = { ...params.text.format, schema: null };
    expect(response).toMatchObject({ ...sent, text: { ...params.text, format } });
    expect(await elsewhere.responses.retrieve(response.id)).toEqual(response);
  });

  test('a schema of the client, whose helper parses the answer', async () => {
    const Verdict = z.object({ ok: z.boolean() });
    const response = await client.responses.parse({
      model: 'demo',
      input: script('!say {"ok":true}').text,
      text: { format: zodTextFormat(Verdict, 'verdict') },
    });
    expect(response.output_parsed).toEqual({ ok: true });
    expect(response.text?.format).toMatchObject({ type: 'json_schema', name: 'verdict', strict: true });
  });
});
