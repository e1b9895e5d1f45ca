/** `/v1/conversations`: their items, and the responses that are made in them. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { type RecordedStack, recordedStack } from './recorded-stack.ts';

const OTHER_KEY = 'sk-other-0123456789abcdef';
const UNKNOWN = 'conv_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b';

let recorded: RecordedStack;
let client: OpenAI;
let other: OpenAI;

beforeAll(async () => {
  recorded = await recordedStack({ config: { keys: [{ name: 'other', key: OTHER_KEY, groups: ['everyone'] }] } });
  const { stack } = recorded;
  client = stack.openai();
  other = new OpenAI({ baseURL: `${stack.gateways[0]}/v1`, apiKey: OTHER_KEY, maxRetries: 0 });
});
afterAll(() => recorded.stop());

type Params = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'model'>;
const create = (params: Params, by = client) => by.responses.create({ model: 'recorded', ...params });
const user = (content: string) => ({ role: 'user' as const, content });

/** What a request is refused with. */
async function refusal(request: Promise<unknown>): Promise<unknown> {
  const error = await request.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OpenAI.APIError)) throw error ?? new Error('it was not refused');
  const { status, code, param } = error;
  return { status, code, param };
}

const missing = (param: string | null = null) => ({ status: 404, code: 'conversation_not_found', param });

/** The text of each item in a conversation, oldest first. */
async function said(id: string, by = client): Promise<string[]> {
  const texts: string[] = [];
  for await (const item of by.conversations.items.list(id, { order: 'asc', limit: 100 })) {
    if (item.type !== 'message') texts.push(item.type);
    else texts.push(item.content.map((part) => ('text' in part ? part.text : part.type)).join(''));
  }
  return texts;
}

/** What the model was told in the last request that contains `text`. */
function told(text: string): unknown[] {
  const { messages } = recorded.recorder.chats(text).at(-1) ?? { messages: [] };
  return messages.map(({ role, content }) => [role, content]);
}

describe('a conversation', () => {
  test('is made, read, changed and deleted, at any gateway', async () => {
    const made = await client.conversations.create({ metadata: { topic: 'doors' } });
    expect(made).toEqual({
      id: expect.stringMatching(/^conv_[0-9a-f]{32}$/),
      object: 'conversation',
      created_at: expect.any(Number),
      metadata: { topic: 'doors' },
    });
    expect(Math.abs(made.created_at - Date.now() / 1_000)).toBeLessThan(60);
    const elsewhere = recorded.stack.openai(1);
    expect(await elsewhere.conversations.retrieve(made.id)).toEqual(made);
    const changed = { ...made, metadata: { topic: 'windows', floor: '2' } };
    expect(await elsewhere.conversations.update(made.id, { metadata: changed.metadata })).toEqual(changed);
    expect(await client.conversations.retrieve(made.id)).toEqual(changed);
    expect(await client.conversations.update(made.id, { metadata: null })).toEqual({ ...made, metadata: {} });
    expect(await client.conversations.delete(made.id)).toEqual({
      id: made.id,
      object: 'conversation.deleted',
      deleted: true,
    });
    expect(await refusal(elsewhere.conversations.retrieve(made.id))).toEqual(missing());
    expect(await refusal(client.conversations.delete(made.id))).toEqual(missing());
    expect(await refusal(client.conversations.items.list(made.id))).toEqual(missing());
  });

  test('needs no body', async () => {
    const answer = await recorded.stack.fetch('/v1/conversations', { method: 'POST' });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ object: 'conversation', metadata: {} });
  });

  test('of which there is none', async () => {
    for (const id of [UNKNOWN, 'conv_1', 'nonsense']) {
      expect(await refusal(client.conversations.retrieve(id))).toEqual(missing());
      expect(await refusal(client.conversations.update(id, { metadata: {} }))).toEqual(missing());
      expect(await refusal(client.conversations.items.create(id, { items: [user('Hi')] }))).toEqual(missing());
      expect(await refusal(create({ input: 'Hi', conversation: id }))).toEqual(missing('conversation'));
    }
  });
});

describe('the items of a conversation', () => {
  test('are listed in their full form, page by page, in both orders', async () => {
    const texts = Array.from({ length: 5 }, (_, n) => `item ${n}`);
    const { id } = await client.conversations.create({ items: texts.map(user) });
    const newest = await client.conversations.items.list(id, { limit: 2 });
    expect(newest.data).toMatchObject([
      { type: 'message', role: 'user', status: 'completed', content: [{ type: 'input_text', text: 'item 4' }] },
      { content: [{ text: 'item 3' }] },
    ]);
    expect(newest).toMatchObject({ last_id: newest.data[1]?.id, has_more: true });
    expect(await said(id)).toEqual(texts);
    const rest = await client.conversations.items.list(id, { order: 'asc', after: newest.data[1]?.id ?? '' });
    expect(rest.data).toEqual([newest.data[0]]);
    expect(rest.has_more).toBe(false);
    const bad = { status: 400, code: 'invalid_value' };
    expect(await refusal(client.conversations.items.list(id, { after: 'msg_1' }))).toEqual({ ...bad, param: 'after' });
    expect(await refusal(client.conversations.items.list(id, { limit: 101 }))).toEqual({ ...bad, param: 'limit' });
  });

  test('are added at its end, and the answer lists them in their order', async () => {
    const { id } = await client.conversations.create({ items: [user('first')] });
    const added = await client.conversations.items.create(id, {
      items: [user('second'), { role: 'assistant', content: 'third' }],
    });
    expect(added).toMatchObject({ object: 'list', has_more: false });
    expect(added.data).toMatchObject([
      { role: 'user', content: [{ type: 'input_text', text: 'second' }] },
      { role: 'assistant', content: [{ type: 'output_text', text: 'third', annotations: [] }] },
    ]);
    expect(await said(id)).toEqual(['first', 'second', 'third']);
    const [second] = added.data;
    expect(await client.conversations.items.retrieve(second?.id ?? '', { conversation_id: id })).toEqual(second);
  });

  test('one is removed, and the answer is the conversation', async () => {
    const made = await client.conversations.create({ metadata: { a: 'b' }, items: [user('one'), user('two')] });
    const [two] = (await client.conversations.items.list(made.id, { limit: 1 })).data;
    const where = { conversation_id: made.id };
    expect(await client.conversations.items.delete(two?.id ?? '', where)).toEqual(made);
    expect(await said(made.id)).toEqual(['one']);
    const gone = { status: 404, code: 'item_not_found', param: null };
    expect(await refusal(client.conversations.items.retrieve(two?.id ?? '', where))).toEqual(gone);
    expect(await refusal(client.conversations.items.delete(two?.id ?? '', where))).toEqual(gone);
    // What is added later does not take its place.
    const { data } = await client.conversations.items.create(made.id, { items: [user('three')] });
    expect(data[0]?.id).not.toBe(two?.id);
    expect(await said(made.id)).toEqual(['one', 'three']);
  });

  test('one of another conversation is not there', async () => {
    const [here, there] = await Promise.all([
      client.conversations.create({ items: [user('here')] }),
      client.conversations.create({ items: [user('there')] }),
    ]);
    const [item] = (await client.conversations.items.list(there.id)).data;
    const where = { conversation_id: here.id };
    const gone = { status: 404, code: 'item_not_found', param: null };
    expect(await refusal(client.conversations.items.retrieve(item?.id ?? '', where))).toEqual(gone);
    expect(await refusal(client.conversations.items.delete(item?.id ?? '', where))).toEqual(gone);
    const bytes = await recorded.stack.fetch(`/v1/conversations/${here.id}/items/%00`);
    expect(bytes.status).toBe(404);
  });

  test('can refer to items elsewhere; to what is not there they cannot', async () => {
    const first = await create({ input: script('!say Cobalt.').text });
    const [message] = first.output;
    const reference = { type: 'item_reference' as const, id: message?.id ?? '' };
    const { id } = await client.conversations.create({ items: [reference as never] });
    expect(await said(id)).toEqual(['Cobalt.']);
    const none = { type: 'item_reference' as const, id: 'msg_1' };
    expect(await refusal(client.conversations.create({ items: [user('a'), none as never] }))).toEqual({
      status: 404,
      code: 'item_not_found',
      param: 'items[1]',
    });
  });

  test('too many at once', async () => {
    const items = Array.from({ length: 21 }, () => user('x'));
    const refused = { status: 400, code: 'invalid_value', param: 'items' };
    expect(await refusal(client.conversations.create({ items }))).toEqual(refused);
    const { id } = await client.conversations.create();
    expect(await refusal(client.conversations.items.create(id, { items }))).toEqual(refused);
    expect(await refusal(client.conversations.items.create(id, { items: [] }))).toEqual(refused);
  });
});

describe('responses in a conversation', () => {
  test('turn after turn the model is told everything before, from any gateway', async () => {
    const { text, marker } = script('!say One.');
    const { id } = await client.conversations.create({ items: [user('Before.')] });
    const first = await create({ conversation: id, input: text });
    expect(first.conversation).toEqual({ id });
    const second = await create({ conversation: { id }, input: '!say Two.' }, recorded.stack.openai(1));
    await create({ conversation: id, input: '!say Three.', instructions: 'Be brief.' });
    expect(told(marker)).toEqual([
      ['system', 'Be brief.'],
      ['user', 'Before.'],
      ['user', text],
      ['assistant', 'One.'],
      ['user', '!say Two.'],
      ['assistant', 'Two.'],
      ['user', '!say Three.'],
    ]);
    expect(await said(id)).toEqual(['Before.', text, 'One.', '!say Two.', 'Two.', '!say Three.', 'Three.']);
    // The output keeps its ids, and a response its own input.
    const items = (await client.conversations.items.list(id, { order: 'asc' })).data;
    expect(items.map((item) => item.id)).toContain(second.output[0]?.id);
    const own = (await client.responses.inputItems.list(second.id)).data;
    expect(own).toMatchObject([{ content: [{ text: '!say Two.' }] }]);
    expect(items.map((item) => item.id)).toContain(own[0]?.id);
  });

  test('calls and their outputs are part of it', async () => {
    const { text, marker } = script('!call ask {"q":1}', '!turn', '!say Done.');
    const { id } = await client.conversations.create();
    const tools = [{ type: 'function' as const, name: 'ask', parameters: {}, strict: false }];
    const first = await create({ conversation: id, input: text, tools });
    const [call] = first.output.flatMap((item) => (item.type === 'function_call' ? [item] : []));
    expect(await refusal(create({ conversation: id, input: 'Well?', tools }))).toMatchObject({
      status: 400,
      code: 'tool_output_missing',
    });
    const output = { type: 'function_call_output' as const, call_id: call?.call_id ?? '', output: '42' };
    const second = await create({ conversation: id, input: [output], tools });
    expect(second.output_text).toBe('Done.');
    expect(told(marker).map((message) => (message as unknown[])[0])).toEqual(['user', 'assistant', 'tool']);
    expect(await said(id)).toEqual([text, 'function_call', 'function_call_output', 'Done.']);
  });

  test('what is removed, the model is not told; what is added, it is', async () => {
    const { text, marker } = script('!say The secret is out.');
    const { id } = await client.conversations.create();
    await create({ conversation: id, input: text });
    const [answer] = (await client.conversations.items.list(id, { limit: 1 })).data;
    await client.conversations.items.delete(answer?.id ?? '', { conversation_id: id });
    await client.conversations.items.create(id, { items: [{ role: 'assistant', content: 'No comment.' }] });
    await create({ conversation: id, input: '!say Go on.' });
    expect(told(marker)).toEqual([
      ['user', text],
      ['assistant', 'No comment.'],
      ['user', '!say Go on.'],
    ]);
  });

  test('one at a time: another is refused while one runs, and nothing of a turn is there before its end', async () => {
    const { text } = script('!hang 2');
    const { id } = await client.conversations.create({ items: [user('Before.')] });
    const running = await create({ conversation: id, input: text, background: true });
    const locked = { status: 400, code: 'conversation_locked', param: 'conversation' };
    expect(await refusal(create({ conversation: id, input: '!say Me too.' }))).toEqual(locked);
    expect(await refusal(create({ conversation: id, input: '!say Me.' }, recorded.stack.openai(1)))).toEqual(locked);
    expect(await said(id)).toEqual(['Before.']);
    expect((await client.responses.cancel(running.id)).status).toBe('cancelled');
    // A turn that came to nothing leaves nothing behind.
    const next = await create({ conversation: id, input: '!say Now.' });
    expect(next.status).toBe('completed');
    expect(await said(id)).toEqual(['Before.', '!say Now.', 'Now.']);
  });

  test('what is added while one runs comes before its turn, and it is not told of it', async () => {
    const { text, marker } = script('!text 40 25');
    const { id } = await client.conversations.create();
    const running = await create({ conversation: id, input: text, background: true });
    await client.conversations.items.create(id, { items: [user('By the way.')] });
    await eventually('it ended', async () => (await client.responses.retrieve(running.id)).status === 'completed');
    expect(told(marker)).toEqual([['user', text]]);
    expect((await said(id)).slice(0, 2)).toEqual(['By the way.', text]);
  });

  test('many at once: exactly one is made', async () => {
    const { text, marker } = script('!text 20 50');
    const { id } = await client.conversations.create();
    const all = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) =>
        create({ conversation: id, input: text, background: true }, recorded.stack.openai(n % 2)),
      ),
    );
    const won = all.flatMap((each) => (each.status === 'fulfilled' ? [each.value.id] : []));
    const lost = all.flatMap((each) => (each.status === 'rejected' ? [each.reason as { code: string }] : []));
    expect(won).toHaveLength(1);
    expect(lost.map(({ code }) => code)).toEqual(Array(9).fill('conversation_locked'));
    await eventually('it ended', async () => (await client.responses.retrieve(won[0] ?? '')).status === 'completed');
    expect(recorded.recorder.chats(marker)).toHaveLength(1);
    expect(await said(id)).toHaveLength(2);
  });

  test('a failed one leaves the conversation as it was, and free', async () => {
    const { id } = await client.conversations.create({ items: [user('Before.')] });
    const failed = await create({ conversation: id, input: script('!error 400 No.').text });
    expect(failed.status).toBe('failed');
    expect(await said(id)).toEqual(['Before.']);
    expect((await create({ conversation: id, input: script('!say Yes.').text })).status).toBe('completed');
  });

  test('not together with previous_response_id', async () => {
    const first = await create({ input: script('!say One.').text });
    const { id } = await client.conversations.create();
    const both = create({ input: 'Hi', conversation: id, previous_response_id: first.id });
    expect(await refusal(both)).toEqual({ status: 400, code: 'mutually_exclusive', param: 'previous_response_id' });
  });

  test('that has been deleted: its responses stay, new ones cannot be made', async () => {
    const { id } = await client.conversations.create();
    const first = await create({ conversation: id, input: script('!say One.').text });
    await client.conversations.delete(id);
    expect(await client.responses.retrieve(first.id)).toEqual(expect.objectContaining({ status: 'completed' }));
    expect(await refusal(create({ conversation: id, input: 'Hi' }))).toEqual(missing('conversation'));
  });

  test('that is deleted while one runs: it goes on to its end', async () => {
    const { id } = await client.conversations.create();
    const running = await create({ conversation: id, input: script('!text 10 30').text, background: true });
    await client.conversations.delete(id);
    const ended = await eventually('it ended', async () => {
      const response = await client.responses.retrieve(running.id);
      return response.status === 'in_progress' ? undefined : response;
    });
    expect(ended.status).toBe('completed');
  });
});

test("another owner's conversation is not there (I7)", async () => {
  const { id } = await client.conversations.create({ items: [user('Ours.')] });
  const [item] = (await client.conversations.items.list(id)).data;
  const where = { conversation_id: id };
  const requests = [
    () => other.conversations.retrieve(id),
    () => other.conversations.update(id, { metadata: { a: 'b' } }),
    () => other.conversations.delete(id),
    () => other.conversations.items.list(id),
    () => other.conversations.items.create(id, { items: [user('Mine.')] }),
    () => other.conversations.items.retrieve(item?.id ?? '', where),
    () => other.conversations.items.delete(item?.id ?? '', where),
  ];
  for (const request of requests) expect(await refusal(request())).toEqual(missing());
  expect(await refusal(create({ conversation: id, input: 'Hi' }, other))).toEqual(missing('conversation'));
  const reference = { type: 'item_reference' as const, id: item?.id ?? '' };
  expect(await refusal(create({ input: [reference] }, other))).toMatchObject({ code: 'item_not_found' });
  expect(await said(id)).toEqual(['Ours.']);
  expect((await client.conversations.retrieve(id)).metadata).toEqual({});
});
