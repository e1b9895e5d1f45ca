import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';
import { expect } from 'vitest';
import { collect, failureOf, type Scenario } from './scenario.ts';

const say = (text: string) => ({ model: 'demo', input: `!say ${text}` });

/** What the server remembers: turns, conversations, items. */
export function stateScenarios(scenario: Scenario): void {
  scenario('previous-response', async ({ client, elsewhere }) => {
    const first = await client.responses.create(say('One.'));
    const second = await elsewhere.responses.create({ ...say('Two.'), previous_response_id: first.id });
    expect(second).toMatchObject({ previous_response_id: first.id, output_text: 'Two.' });
    const third = await client.responses.create({ ...say('Three.'), previous_response_id: second.id });
    expect(third.usage?.input_tokens).toBeGreaterThan(first.usage?.input_tokens ?? 0);
  });

  scenario('conversation', async ({ client, elsewhere }) => {
    const { conversations } = client;
    const made = await conversations.create({
      metadata: { topic: 'doors' },
      items: [{ type: 'message', role: 'user', content: 'Hello' }],
    });
    expect(made).toMatchObject({ object: 'conversation', metadata: { topic: 'doors' } });
    const conversation = made.id;
    const response = await client.responses.create({ ...say('One.'), conversation });
    expect(response.conversation).toEqual({ id: conversation });
    await elsewhere.responses.create({ ...say('Two.'), conversation: { id: conversation } });
    const listed = await collect(conversations.items.list(conversation, { order: 'asc', limit: 2 }));
    expect(listed.map((item) => item.type === 'message' && item.role)).toEqual([
      'user',
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
    const added = await conversations.items.create(conversation, {
      items: [{ type: 'message', role: 'user', content: 'One more.' }],
    });
    const [item] = added.data;
    if (!item?.id) throw new Error('an item was to be added');
    const where = { conversation_id: conversation };
    expect(await conversations.items.retrieve(item.id, where)).toMatchObject({ id: item.id, role: 'user' });
    expect(await conversations.items.delete(item.id, where)).toMatchObject({ id: conversation });
    expect(await failureOf(conversations.items.retrieve(item.id, where))).toBeInstanceOf(OpenAI.NotFoundError);
    expect((await conversations.update(conversation, { metadata: { topic: 'gates' } })).metadata).toEqual({
      topic: 'gates',
    });
    expect(await conversations.retrieve(conversation)).toMatchObject({ metadata: { topic: 'gates' } });
    expect(await conversations.delete(conversation)).toMatchObject({ id: conversation, deleted: true });
    expect(await failureOf(conversations.retrieve(conversation))).toBeInstanceOf(OpenAI.NotFoundError);
  });

  scenario('conversation-exclusive', async ({ client }) => {
    const first = await client.responses.create(say('One.'));
    const { id } = await client.conversations.create();
    const both = client.responses.create({ ...say('Two.'), conversation: id, previous_response_id: first.id });
    const error = await failureOf(both);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code: 'mutually_exclusive' });
  });

  scenario('item-reference', async ({ client }) => {
    const first = await client.responses.create(say('One.'));
    const [message] = first.output;
    if (message?.type !== 'message') throw new Error('it says something');
    const second = await client.responses.create({
      model: 'demo',
      input: [
        { type: 'item_reference', id: message.id },
        { role: 'user', content: '!say Two.' },
      ],
    });
    expect(second.output_text).toBe('Two.');
    const { data } = await client.responses.inputItems.list(second.id, { order: 'asc' });
    expect(data).toMatchObject([{ role: 'assistant', content: [{ text: 'One.' }] }, { role: 'user' }]);
  });

  scenario('store-false', async ({ client }) => {
    const response = await client.responses.create({ ...say('Forget me.'), store: false });
    expect(response).toMatchObject({ status: 'completed', store: false, output_text: 'Forget me.' });
    expect(await failureOf(client.responses.retrieve(response.id))).toBeInstanceOf(OpenAI.NotFoundError);
  });

  scenario('delete', async ({ client, elsewhere }) => {
    const { id } = await client.responses.create(say('One.'));
    await client.responses.delete(id);
    expect(await failureOf(elsewhere.responses.retrieve(id))).toBeInstanceOf(OpenAI.NotFoundError);
    expect(await failureOf(client.responses.delete(id))).toBeInstanceOf(OpenAI.NotFoundError);
  });

  scenario('input-items', async ({ client }) => {
    const texts = ['One', 'Two', 'Three', '!say Four.'];
    const input = texts.map((content) => ({ role: 'user' as const, content }));
    const { id } = await client.responses.create({ model: 'demo', input });
    const textsOf = (items: OpenAI.Responses.ResponseItem[]) =>
      items.flatMap((item) => {
        const part = item.type === 'message' ? item.content[0] : undefined;
        return part?.type === 'input_text' ? [part.text] : [];
      });
    const ascending = client.responses.inputItems.list(id, { limit: 3, order: 'asc' });
    expect((await ascending).data).toHaveLength(3);
    expect(textsOf(await collect(ascending))).toEqual(texts);
    expect(textsOf(await collect(client.responses.inputItems.list(id, { limit: 1 })))).toEqual(texts.toReversed());
  });

  scenario('compact', async ({ client }) => {
    const first = await client.responses.create(say('My name is Ada.'));
    const compacted = await client.responses.compact({ model: 'demo', previous_response_id: first.id });
    expect(compacted).toMatchObject({ object: 'response.compaction', usage: { total_tokens: expect.any(Number) } });
    expect(compacted.output.map((item) => item.type)).toContain('compaction');
    const next = await client.responses.create({
      model: 'demo',
      input: [...(compacted.output as OpenAI.Responses.ResponseInput), { role: 'user', content: '!say Yes, Ada.' }],
    });
    expect(next.output_text).toBe('Yes, Ada.');
  });

  scenario('input-tokens', async ({ client }) => {
    const count = async (input: string) =>
      (await client.responses.inputTokens.count({ model: 'demo', input })).input_tokens;
    const short = await count('Hello');
    expect(short).toBeGreaterThan(0);
    expect(await count('Hello '.repeat(50))).toBeGreaterThan(short + 40);
  });

  scenario('truncation', async ({ client }) => {
    const long = { role: 'user' as const, content: 'word '.repeat(2_000) };
    const answer = { role: 'assistant' as const, content: 'I see.' };
    const input = [long, answer, { role: 'user' as const, content: '!say Short.' }];
    const refused = client.responses.create({ model: 'small', input, truncation: 'disabled' });
    const error = await failureOf(refused);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code: 'context_length_exceeded', param: 'input' });
    const response = await client.responses.create({ model: 'small', input, truncation: 'auto' });
    expect(response).toMatchObject({ status: 'completed', output_text: 'Short.', truncation: 'auto' });
  });

  scenario('models', async ({ client }) => {
    const models = await collect(client.models.list());
    expect(models.map(({ id }) => id)).toEqual(expect.arrayContaining(['demo', 'small']));
    expect(await client.models.retrieve('demo')).toMatchObject({ id: 'demo', object: 'model' });
    expect(await failureOf(client.models.retrieve('gpt-0'))).toBeInstanceOf(OpenAI.NotFoundError);
  });

  scenario('idempotency', async ({ client, elsewhere }) => {
    const options = { headers: { 'Idempotency-Key': randomUUID() } };
    const params = { model: 'demo', input: '!vary 3' };
    const first = await client.responses.create(params, options);
    expect(await elsewhere.responses.create(params, options)).toEqual(first);
    const streamed = { headers: { 'Idempotency-Key': randomUUID() } };
    const [one, two] = await Promise.all(
      [client, elsewhere].map(async (each) => {
        return collect(await each.responses.create({ ...params, stream: true }, streamed));
      }),
    );
    expect(one).toEqual(two);
    expect(one?.at(-1)?.type).toBe('response.completed');
  });

  scenario('idempotency-conflict', async ({ client }) => {
    const options = { headers: { 'Idempotency-Key': randomUUID() } };
    await client.responses.create(say('One.'), options);
    const error = await failureOf(client.responses.create(say('Two.'), options));
    expect(error).toBeInstanceOf(OpenAI.UnprocessableEntityError);
    expect(error).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
  });
}
