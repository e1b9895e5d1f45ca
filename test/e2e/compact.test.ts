/** `POST /v1/responses/compact` and `POST /v1/responses/input_tokens`. */
import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { SUMMARY, type SummaryModel, startSummaryModel } from './summary-model.ts';

const KEYS = { other: 'sk-other-0123456789abcdef', colleague: 'sk-colleague-0123456789abcdef' };
const UNKNOWN = '0190a1b2c3d47e8f9a0b1c2d3e4f5a6b';

let stack: TestStack;
let model: SummaryModel;
let client: OpenAI;

beforeAll(async () => {
  model = await startSummaryModel();
  const served = (name: string, more = {}) => ({ name, upstreams: [{ base_url: model.url, model: name }], ...more });
  stack = await testStack({
    replicas: { gateway: 2 },
    env: { DISCONNECT_GRACE_MS: '200', DRAIN_MS: '1000' },
    config: {
      keys: [
        { name: 'other', key: KEYS.other },
        { name: 'colleague', key: KEYS.colleague, owner: 'local' },
      ],
      models: [
        served('fine'),
        served('silent'),
        served('refusing'),
        served('hanging'),
        { ...served('narrow', { context_window: 300 }), upstreams: [{ base_url: model.url, model: 'fine' }] },
      ],
      tools: [{ name: 'look', kind: 'http', models: ['fine'], url: 'http://127.0.0.1:9/look' }],
    },
  });
  client = stack.openai();
});
afterAll(async () => {
  await stack.stop();
  await model.close();
});

const as = (key: string) => new OpenAI({ baseURL: `${stack.gateways[1]}/v1`, apiKey: key, maxRetries: 0 });
const user = (content: string) => ({ role: 'user' as const, content });

interface Compacted {
  id: string;
  output: { type: 'compaction'; id: string; encrypted_content: string }[];
}

async function compact(body: Record<string, unknown>, headers: Record<string, string> = {}): Promise<Response> {
  return stack.fetch('/v1/responses/compact', { method: 'POST', body: JSON.stringify(body), headers });
}

async function compacted(body: Record<string, unknown>, headers = {}): Promise<Compacted> {
  const answer = await compact(body, headers);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Compacted;
}

async function item(body: Record<string, unknown>): Promise<Compacted['output'][number]> {
  const [made] = (await compacted(body)).output;
  if (!made) throw new Error('nothing was made');
  return made;
}

async function refused(answer: Promise<Response>): Promise<unknown> {
  const { status, body } = await answer.then(async (each) => ({ status: each.status, body: await each.json() }));
  const { code, param, message } = (body as { error: { code: string; param: string | null; message: string } }).error;
  return { status, code, param, message };
}

async function refusal(request: Promise<unknown>): Promise<unknown> {
  const error = await request.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OpenAI.APIError)) throw error ?? new Error('it was not refused');
  return { status: error.status, code: error.code, param: error.param };
}

/** The role and content of each message that the model was told, in the last request that contains `text`. */
function told(text: string): unknown[][] {
  return (model.asked(text).at(-1)?.messages ?? []).map(({ role, content }) => [role, content]);
}

describe('a compaction', () => {
  test('is one item that a model has made of the conversation; the tools take no part in it', async () => {
    const marker = randomUUID();
    const answer = await compact({
      model: 'fine',
      instructions: 'Mind the doors.',
      input: [user(`A ${marker}`), { role: 'assistant', content: 'B' }],
    });
    const body = (await answer.json()) as Compacted;
    expect(body).toEqual({
      id: expect.stringMatching(/^resp_[0-9a-f]{32}$/),
      object: 'response.compaction',
      created_at: expect.any(Number),
      output: [
        {
          type: 'compaction',
          id: `cmp_${body.id.slice('resp_'.length)}0000`,
          encrypted_content: expect.stringMatching(/^[\w+/=-]{40,}$/),
        },
      ],
      usage: {
        input_tokens: 70,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens: 9,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 79,
      },
    });
    expect(body.output[0]?.encrypted_content).not.toContain(SUMMARY);
    expect(told(marker)).toEqual([
      ['system', 'Mind the doors.'],
      ['user', `A ${marker}`],
      ['assistant', 'B'],
      ['user', expect.stringMatching(/^Summarise the whole conversation above/)],
    ]);
    expect(model.asked(marker)).toHaveLength(1);
    expect(model.asked(marker)[0]).not.toHaveProperty('tools');
  });

  test('stands for the conversation in a later request, at any gateway', async () => {
    const marker = randomUUID();
    const compaction = await item({ model: 'fine', input: 'Long ago.' });
    const response = await stack.openai(1).responses.create({ model: 'fine', input: [compaction, user(marker)] });
    expect(response.output_text).toBe(SUMMARY);
    expect(told(marker)).toEqual([
      ['user', `Summary of the conversation so far:\n\n${SUMMARY}`],
      ['user', marker],
    ]);
    // Also for the turns that follow, and where it is summed up again.
    await client.responses.create({ model: 'fine', input: 'More.', previous_response_id: response.id });
    expect(told(marker).map(([role]) => role)).toEqual(['user', 'user', 'assistant', 'user']);
    await compacted({ model: 'fine', input: [compaction, user(`${marker} again`)] });
    expect(told(`${marker} again`)[0]).toEqual(['user', `Summary of the conversation so far:\n\n${SUMMARY}`]);
    const { id } = await client.conversations.create({ items: [compaction as never] });
    await client.responses.create({ model: 'fine', input: `${marker} there`, conversation: id });
    expect(told(`${marker} there`)[0]).toEqual(['user', `Summary of the conversation so far:\n\n${SUMMARY}`]);
  });

  test('of everything that a response goes on from', async () => {
    const marker = randomUUID();
    const first = await client.responses.create({ model: 'fine', input: `One ${marker}` });
    const second = await client.responses.create({ model: 'fine', input: 'Two', previous_response_id: first.id });
    const made = await compacted({ model: 'fine', previous_response_id: second.id, input: [user('Three')] });
    expect(told(marker).map(([, content]) => content)).toEqual([
      `One ${marker}`,
      SUMMARY,
      'Two',
      SUMMARY,
      'Three',
      expect.stringMatching(/^Summarise/),
    ]);
    await compacted({ model: 'fine', previous_response_id: second.id });
    // It is nothing that could be read, or gone on from.
    expect(await refusal(client.responses.retrieve(made.id))).toMatchObject({ code: 'response_not_found' });
    const goingOn = client.responses.create({ model: 'fine', input: 'Hi', previous_response_id: made.id });
    expect(await refusal(goingOn)).toMatchObject({ code: 'previous_response_not_found' });
  });

  test('with calls that nobody has answered yet: the model is told so', async () => {
    const marker = randomUUID();
    const input = [
      user(marker),
      { type: 'function_call', call_id: 'call_1', name: 'ask', arguments: '{}' },
      user('Never mind.'),
    ];
    await compacted({ model: 'fine', input });
    const messages = model.asked(marker).at(-1)?.messages ?? [];
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'user', 'user']);
    expect(messages[2]).toMatchObject({ tool_call_id: messages[1]?.tool_calls?.[0]?.id });

    const { text, marker: asked } = script('!call ask {"q":1}', '!turn', '!say Done.');
    const tools = [{ type: 'function' as const, name: 'ask', parameters: {}, strict: false }];
    const open = await client.responses.create({ model: 'demo', input: text, tools });
    await compacted({ model: 'fine', previous_response_id: open.id });
    const roles = told(asked).map(([role]) => role);
    expect(roles).toEqual(['user', 'assistant', 'tool', 'user']);

    const lost = [{ type: 'function_call_output', call_id: 'call_2', output: 'x' }];
    expect(await refused(compact({ model: 'fine', input: lost }))).toMatchObject({ code: 'unknown_call_id' });
  });

  test('the same request sent again is the same compaction', async () => {
    const marker = randomUUID();
    const headers = { 'idempotency-key': randomUUID() };
    const [one, two] = await Promise.all([
      compacted({ model: 'fine', input: marker }, headers),
      compacted({ model: 'fine', input: marker }, headers),
    ]);
    expect(two.id).toBe(one.id);
    expect(model.asked(marker)).toHaveLength(1);
    const other = refused(compact({ model: 'fine', input: `${marker}!` }, headers));
    expect(await other).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
  });

  test('nobody waits for is cancelled', async () => {
    const marker = randomUUID();
    const gone = new AbortController();
    const body = JSON.stringify({ model: 'hanging', input: marker });
    const request = stack.fetch('/v1/responses/compact', { method: 'POST', body, signal: gone.signal });
    await expect.poll(() => model.asked(marker).length).toBe(1);
    gone.abort();
    await expect(request).rejects.toThrow();
    await model.abandoned(marker);
  });
});

describe('whose compaction it is', () => {
  test("another owner's, or one that somebody has changed, cannot be read anywhere", async () => {
    const compaction = await item({ model: 'fine', input: 'Ours.' });
    const other = as(KEYS.other);
    const unreadable = { status: 400, code: 'compaction_unreadable', param: 'input[1].encrypted_content' };
    const input = [user('a'), compaction];
    expect(await refusal(other.responses.create({ model: 'fine', input }))).toEqual(unreadable);
    expect(await refusal(other.conversations.create({ items: [compaction as never] }))).toEqual({
      ...unreadable,
      param: 'items[0].encrypted_content',
    });
    const sealed = compaction.encrypted_content;
    for (const changed of ['x', `${sealed.slice(0, -6)}AAAA==`, `A${sealed.slice(1)}`, 'AAAA'.repeat(20)]) {
      const forged = [user('a'), { ...compaction, encrypted_content: changed }];
      expect(await refusal(client.responses.create({ model: 'fine', input: forged }))).toEqual(unreadable);
      expect(await refused(compact({ model: 'fine', input: forged }))).toMatchObject(unreadable);
      expect(await refusal(client.responses.inputTokens.count({ model: 'fine', input: forged }))).toEqual(unreadable);
    }
  });

  test('another key of the same owner can carry it', async () => {
    const compaction = await item({ model: 'fine', input: 'Ours.' });
    const response = await as(KEYS.colleague).responses.create({ model: 'fine', input: [compaction, user('On.')] });
    expect(response.status).toBe('completed');
  });
});

describe('a compaction that cannot be', () => {
  test.each([
    ['refused by the model server', { model: 'refusing', input: 'a' }, 502, 'upstream_error', null],
    ['without a word', { model: 'silent', input: 'a' }, 502, 'upstream_invalid', null],
    ['by a model that there is not', { model: 'none', input: 'a' }, 404, 'model_not_found', 'model'],
    ['of nothing', { model: 'fine' }, 400, 'missing_required_parameter', 'input'],
    ['of an empty list', { model: 'fine', input: [] }, 400, 'missing_required_parameter', 'input'],
    ['too long', { model: 'narrow', input: 'word '.repeat(400) }, 400, 'context_length_exceeded', 'input'],
    [
      'of what is not there',
      { model: 'fine', previous_response_id: `resp_${UNKNOWN}` },
      400,
      'previous_response_not_found',
      'previous_response_id',
    ],
    ['with what it does not take', { model: 'fine', input: 'a', stream: true }, 400, 'unknown_parameter', 'stream'],
  ])('%s', async (_, body, status, code, param) => {
    expect(await refused(compact(body))).toMatchObject({ status, code, param });
  });

  test("tells the model server's own reason", async () => {
    const failure = await refused(compact({ model: 'refusing', input: 'a' }));
    expect(failure).toMatchObject({ message: expect.stringContaining('I would rather not.') });
  });
});

describe('input_tokens', () => {
  const count = async (body: Record<string, unknown>): Promise<number> => {
    const answer = await client.responses.inputTokens.count({ model: 'fine', ...body });
    expect(answer.object).toBe('response.input_tokens');
    return answer.input_tokens;
  };
  /** A word each: as many tokens. */
  const words = (n: number) => Array.from({ length: n }, () => ' door').join('');

  test('count what the model would be told: input, instructions, tools, schema', async () => {
    const one = await count({ input: words(10) });
    // The tool of the server is told as well.
    expect(one).toBeGreaterThan(14);
    expect(await count({ input: words(30) })).toBe(one + 20);
    expect(await count({ input: words(10), instructions: words(5) })).toBe(one + 9);
    expect(await count({ input: [user(words(10)), user(words(3))] })).toBe(one + 7);
    const tools = [{ type: 'function', name: 'ask', parameters: { type: 'object' }, strict: false }];
    expect(await count({ input: words(10), tools })).toBeGreaterThan(one + 5);
    const schema = { type: 'object', properties: { door: { type: 'string' } } };
    const format = { type: 'json_schema', name: 'door', schema, strict: true };
    expect(await count({ input: words(10), text: { format } })).toBeGreaterThan(one + 5);
  });

  test('count what was said before', async () => {
    const alone = await count({ input: 'Hi' });
    const first = await client.responses.create({ model: 'fine', input: words(50) });
    const after = await count({ input: 'Hi', previous_response_id: first.id });
    expect(after).toBeGreaterThan(alone + 50);
    const { id } = await client.conversations.create({ items: [user(words(50))] });
    const inside = await count({ input: 'Hi', conversation: id });
    expect(inside).toBe(alone + 54);
    const [listed] = (await client.conversations.items.list(id)).data;
    expect(await count({ input: [user('Hi'), { type: 'item_reference', id: listed?.id ?? '' }] })).toBe(inside);
  });

  test('count a file by its text, and what is left of a prompt that is cut', async () => {
    const file_data = `data:text/plain;base64,${Buffer.from(words(100)).toString('base64')}`;
    const file = { role: 'user', content: [{ type: 'input_file', filename: 'a.txt', file_data }] };
    expect(await count({ input: [file] })).toBeGreaterThan(100);
    const turns = [user(words(200)), user(words(200)), user('Hi')];
    expect(await count({ model: 'narrow', input: turns })).toBeGreaterThan(400);
    expect(await count({ model: 'narrow', input: turns, truncation: 'auto' })).toBeLessThanOrEqual(300);
  });

  test('refuse what a response would refuse, and make nothing', async () => {
    const rows = async () => (await stack.database.query('SELECT count(*) FROM responses')).rows;
    const before = await rows();
    const refuse = (body: Record<string, unknown>, by = client) =>
      refusal(by.responses.inputTokens.count({ model: 'fine', input: 'Hi', ...body }));
    const bad = (code: string, param: string, status = 400) => ({ status, code, param });
    const previous_response_id = `resp_${UNKNOWN}`;
    expect(await refuse({ previous_response_id })).toEqual(bad('previous_response_not_found', 'previous_response_id'));
    const conversation = `conv_${UNKNOWN}`;
    expect(await refuse({ conversation })).toEqual(bad('conversation_not_found', 'conversation', 404));
    expect(await refuse({ conversation, previous_response_id })).toEqual(
      bad('mutually_exclusive', 'previous_response_id'),
    );
    const ours = await client.conversations.create();
    expect(await refuse({ conversation: ours.id }, as(KEYS.other))).toEqual(
      bad('conversation_not_found', 'conversation', 404),
    );
    expect(await refuse({ model: 'none' })).toEqual(bad('model_not_found', 'model', 404));
    expect(await refuse({ input: [{ type: 'item_reference', id: 'msg_1' }] })).toEqual(
      bad('item_not_found', 'input[0]', 404),
    );
    expect(await refuse({ temperature: 1 })).toEqual(bad('unknown_parameter', 'temperature'));
    await count({ input: 'Hi' });
    expect(await rows()).toEqual(before);
  });
});
