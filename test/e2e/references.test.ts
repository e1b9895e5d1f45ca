/** Items that are named instead of sent, what a response was given, and prompts that do not fit. */
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { type RecordedStack, recordedStack } from './recorded-stack.ts';

let recorded: RecordedStack;
let client: OpenAI;

beforeAll(async () => {
  recorded = await recordedStack({ config: { keys: [{ name: 'other', key: 'sk-other-0123456789abcdef' }] } });
  client = recorded.stack.openai();
});
afterAll(() => recorded.stop());

describe('item_reference', () => {
  test('to an output item: the model is told what it names', async () => {
    const { text, marker } = script('!say The code is cobalt.');
    const first = await client.responses.create({ model: 'recorded', input: text });
    const [message] = first.output;
    await client.responses.create({
      model: 'recorded',
      input: [
        { role: 'user', content: `Again, ${marker}` },
        { type: 'item_reference', id: message?.id ?? '' },
        { role: 'user', content: 'What is the code?' },
      ],
    });
    const { messages } = recorded.recorder.chats(`Again, ${marker}`).at(-1) ?? { messages: [] };
    expect(messages.map(({ role, content }) => [role, content])).toEqual([
      ['user', `Again, ${marker}`],
      ['assistant', 'The code is cobalt.'],
      ['user', 'What is the code?'],
    ]);
  });

  test('to a call and what the client answered, and to an item of an input', async () => {
    const { text, marker } = script('!call ask {"q":1}', '!turn', '!say Done.');
    const tools = [{ type: 'function' as const, name: 'ask', parameters: {}, strict: false }];
    const first = await client.responses.create({ model: 'recorded', input: text, tools });
    const call = first.output.find((item) => item.type === 'function_call');
    const given = (await client.responses.inputItems.list(first.id)).data[0];
    await client.responses.create({
      model: 'recorded',
      tools,
      input: [
        { type: 'item_reference', id: given?.id ?? '' },
        { type: 'item_reference', id: call?.id ?? '' },
        { type: 'function_call_output', call_id: call?.call_id ?? '', output: '42' },
      ],
    });
    const { messages } = recorded.recorder.chats(marker).at(-1) ?? { messages: [] };
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
    expect(messages[0]?.content).toBe(text);
    expect(messages[1]?.tool_calls?.[0]?.function).toEqual({ name: 'ask', arguments: '{"q":1}' });
    expect(messages[2]).toMatchObject({ content: '42', tool_call_id: messages[1]?.tool_calls?.[0]?.id });
  });

  test('to what is not there, or is not yours: 404, and which', async () => {
    const { output } = await client.responses.create({ model: 'recorded', input: script('!say Mine.').text });
    const stranger = recorded.stack.openai(0, { apiKey: 'sk-other-0123456789abcdef' });
    const asking = (by: OpenAI, id: string) =>
      by.responses.create({
        model: 'recorded',
        input: ['Hi', id].map((each, index) =>
          index === 0 ? { role: 'user' as const, content: each } : { type: 'item_reference' as const, id: each },
        ),
      });
    for (const id of [`msg_${'0'.repeat(36)}`, 'msg_nonsense']) {
      await expect(asking(client, id)).rejects.toMatchObject({
        status: 404,
        code: 'item_not_found',
        param: 'input[1]',
      });
    }
    await expect(asking(stranger, output[0]?.id ?? '')).rejects.toMatchObject({ status: 404, code: 'item_not_found' });
  });
});

describe('input_items', () => {
  test('in full form, paged, in both orders', async () => {
    const input = Array.from({ length: 5 }, (_, index) => ({ role: 'user' as const, content: `!say ${index}` }));
    const { id } = await client.responses.create({ model: 'recorded', input });
    const ascending: string[] = [];
    for await (const item of client.responses.inputItems.list(id, { limit: 2, order: 'asc' })) {
      if (item.type === 'message') ascending.push(JSON.stringify(item.content));
    }
    expect(ascending).toEqual(input.map(({ content }) => JSON.stringify([{ type: 'input_text', text: content }])));
    const newest = await client.responses.inputItems.list(id, { limit: 1 });
    expect(newest.data[0]).toMatchObject({
      type: 'message',
      role: 'user',
      status: 'completed',
      id: expect.any(String),
    });
    expect(newest.hasNextPage()).toBe(true);
    for (const query of ['limit=0', 'limit=101', 'order=up', 'after=msg_none']) {
      const answer = await recorded.stack.fetch(`/v1/responses/${id}/input_items?${query}`);
      expect({ query, status: answer.status }).toEqual({ query, status: 400 });
    }
  });
});

describe('a window that is too small', () => {
  const ask = (body: Record<string, unknown>) =>
    client.responses.create({ model: 'narrow', ...body } as OpenAI.Responses.ResponseCreateParamsNonStreaming);
  const long = 'many words that fill the window of a model '.repeat(20);

  test('truncation: disabled, which is the default, is a 400', async () => {
    for (const truncation of ['disabled', undefined]) {
      await expect(ask({ input: long.repeat(3), truncation })).rejects.toMatchObject({
        status: 400,
        code: 'context_length_exceeded',
        param: 'input',
      });
    }
  });

  test('truncation: auto leaves the oldest turns out, and keeps what the developer said', async () => {
    const { marker } = script();
    const input = [
      { role: 'developer', content: `Be brief, ${marker}.` },
      { role: 'user', content: `first ${long}` },
      { role: 'assistant', content: 'Yes.' },
      { role: 'user', content: `second ${long}` },
      { role: 'assistant', content: 'Yes.' },
      { role: 'user', content: 'third' },
    ];
    const response = await ask({ input, truncation: 'auto' });
    expect(response.truncation).toBe('auto');
    const { messages } = recorded.recorder.chats(marker).at(-1) ?? { messages: [] };
    expect(messages.map(({ role, content }) => [role, String(content).split(' ')[0]])).toEqual([
      ['system', 'Be'],
      ['user', 'second'],
      ['assistant', 'Yes.'],
      ['user', 'third'],
    ]);
  });

  test('even auto cannot cut the last turn', async () => {
    await expect(ask({ input: long.repeat(3), truncation: 'auto' })).rejects.toMatchObject({
      code: 'context_length_exceeded',
    });
  });
});
