/** Bad requests: the status, the envelope, the client's error class; and nothing is made. */
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const BODY_LIMIT_BYTES = 200_000;
const UNKNOWN_ID = 'resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b';

let stack: TestStack;
let client: OpenAI;
let before: number;

beforeAll(async () => {
  stack = await testStack({
    env: { BODY_LIMIT_BYTES: String(BODY_LIMIT_BYTES) },
    config: { tools: [{ name: 'kept', kind: 'http', url: 'http://127.0.0.1:9/kept' }] },
  });
  client = stack.openai();
});
afterAll(() => stack.stop());

beforeEach(async () => {
  before = await rows();
});
afterEach(async () => {
  expect(await rows(), 'nothing is made').toBe(before);
});

async function rows(): Promise<number> {
  const { rows: counted } = await stack.database.query<{ count: string }>(
    'SELECT (SELECT count(*) FROM responses) + (SELECT count(*) FROM response_steps) AS count',
  );
  return Number(counted[0]?.count);
}

const post = (body: RequestInit['body'], headers: Record<string, string> = {}) =>
  stack.fetch('/v1/responses', { method: 'POST', body: body ?? null, headers });

interface Expected {
  status: number;
  type: string;
  code: string;
  param?: string | null;
  message?: unknown;
}

/** Expects an answer to be the API's error envelope, with nothing else in it. */
async function expectEnvelope(answer: Response, { status, param = null, ...error }: Expected): Promise<void> {
  const body: unknown = await answer.json();
  expect({ status: answer.status, body }).toEqual({
    status,
    body: { error: { message: expect.stringMatching(/./), ...error, param } },
  });
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
}

const invalid = (code: string, param: string | null, status = 400): Expected => ({
  status,
  type: 'invalid_request_error',
  code,
  param,
});

describe('who asks', () => {
  const denied = (code: string): Expected => ({ status: 401, type: 'authentication_error', code });

  test('no key, another scheme, a wrong key', async () => {
    const url = `${stack.gateways[0]}/v1/responses`;
    const body = JSON.stringify({ model: 'demo', input: 'Hi' });
    const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } };
    await expectEnvelope(await stack.validatingFetch(url, init), denied('missing_api_key'));
    await expectEnvelope(await post(body, { authorization: 'Basic abc' }), denied('missing_api_key'));
    await expectEnvelope(await post(body, { authorization: 'Bearer sk-wrong' }), denied('invalid_api_key'));
    await expectEnvelope(await stack.validatingFetch(`${url}/${UNKNOWN_ID}`), denied('missing_api_key'));
    await expectEnvelope(await stack.validatingFetch(`${url}/${UNKNOWN_ID}/steps`), denied('missing_api_key'));
  });

  test('the key is looked at before the body', async () => {
    await expectEnvelope(await post('{"model": 1}', { authorization: 'Bearer sk-wrong' }), denied('invalid_api_key'));
  });

  test('the official client throws its authentication error', async () => {
    const stranger = stack.openai(0, { apiKey: 'sk-wrong' });
    await expect(stranger.responses.create({ model: 'demo', input: 'Hi' })).rejects.toThrow(OpenAI.AuthenticationError);
  });
});

describe('what is asked', () => {
  const cases: [string, Record<string, unknown>, Expected][] = [
    ['no model', { model: undefined }, invalid('missing_required_parameter', 'model')],
    ['an unknown model', { model: 'gpt-0' }, invalid('model_not_found', 'model', 404)],
    ['a model of another type', { model: 7 }, invalid('invalid_value', 'model')],
    ['an unknown parameter', { inptu: 'Hi' }, invalid('unknown_parameter', 'inptu')],
    ['no input at all', { input: undefined }, invalid('missing_required_parameter', 'input')],
    ['input of another type', { input: 7 }, invalid('invalid_value', 'input')],
    ['an item of an unknown type', { input: [{ type: 'thought' }] }, invalid('invalid_value', 'input[0].type')],
    [
      'a message with a wrong role',
      {
        input: [
          { role: 'user', content: 'Hi' },
          { role: 'robot', content: 'Hi' },
        ],
      },
      invalid('invalid_value', 'input[1].role'),
    ],
    [
      'a message without content',
      { input: [{ role: 'user' }] },
      invalid('missing_required_parameter', 'input[0].content'),
    ],
    [
      'a part of an unknown type',
      { input: [{ role: 'user', content: [{ type: 'input_text', text: 'Hi' }, { type: 'input_smell' }] }] },
      invalid('invalid_value', 'input[0].content[1].type'),
    ],
    [
      'a part without its text',
      { input: [{ role: 'user', content: [{ type: 'input_text' }] }] },
      invalid('missing_required_parameter', 'input[0].content[0].text'),
    ],
    [
      'an unknown field of an item',
      { input: [{ role: 'user', content: 'Hi', mood: 'good' }] },
      invalid('unknown_parameter', 'input[0].mood'),
    ],
    ['a temperature that is too high', { temperature: 2.5 }, invalid('invalid_value', 'temperature')],
    ['a temperature that is a string', { temperature: '1' }, invalid('invalid_value', 'temperature')],
    ['a negative top_p', { top_p: -1 }, invalid('invalid_value', 'top_p')],
    ['max_output_tokens below the least', { max_output_tokens: 1 }, invalid('invalid_value', 'max_output_tokens')],
    ['max_tool_calls of zero', { max_tool_calls: 0 }, invalid('invalid_value', 'max_tool_calls')],
    ['stream of another type', { stream: 'yes' }, invalid('invalid_value', 'stream')],
    ['metadata of another type', { metadata: { a: 1 } }, invalid('invalid_value', 'metadata.a')],
    [
      'too much metadata',
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, 'v'])) },
      invalid('invalid_value', 'metadata'),
    ],
    ['an unknown effort', { reasoning: { effort: 'heroic' } }, invalid('invalid_value', 'reasoning.effort')],
    ['an unknown format', { text: { format: { type: 'yaml' } } }, invalid('invalid_value', 'text.format.type')],
    [
      'a schema without its name',
      { text: { format: { type: 'json_schema', schema: {} } } },
      invalid('missing_required_parameter', 'text.format.name'),
    ],
    ['a tool that is no function', { tools: [{ type: 'telepathy' }] }, invalid('invalid_value', 'tools[0].type')],
    [
      'a tool without a name',
      { tools: [{ type: 'function' }] },
      invalid('missing_required_parameter', 'tools[0].name'),
    ],
    [
      'a name that is none',
      { tools: [{ type: 'function', name: 'no spaces' }] },
      invalid('invalid_value', 'tools[0].name'),
    ],
    [
      'two tools of one name',
      { tools: [tool('a'), tool('b'), tool('a')] },
      invalid('duplicate_tool_name', 'tools[2].name'),
    ],
    ['a name of a tool of the server', { tools: [tool('kept')] }, invalid('tool_name_taken', 'tools[0].name')],
    ['an unknown tool choice', { tool_choice: 'sometimes' }, invalid('invalid_value', 'tool_choice')],
    [
      'a choice of a tool that there is not',
      { tool_choice: { type: 'function', name: 'fly' } },
      invalid('tool_choice_unknown', 'tool_choice'),
    ],
    [
      'an allowed tool that there is not',
      { tool_choice: { type: 'allowed_tools', tools: [tool('get_time'), tool('fly')] } },
      invalid('tool_choice_unknown', 'tool_choice'),
    ],
    ['an unknown include', { include: ['everything'] }, invalid('invalid_value', 'include[0]')],
  ];

  test.each(cases)('%s', async (_, change, expected) => {
    const body = { model: 'demo', input: 'Hi', ...change };
    await expectEnvelope(await post(JSON.stringify(body)), expected);
    // A stream is not begun before the request is known to be good.
    if (!('stream' in change)) await expectEnvelope(await post(JSON.stringify({ ...body, stream: true })), expected);
  });

  function tool(name: string) {
    return { type: 'function', name };
  }

  test('the official client throws its own errors, with the parameter', async () => {
    const bad = client.responses.create({ model: 'demo', input: 'Hi', temperature: 3 });
    const error = await bad.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, code: 'invalid_value', param: 'temperature' });
    expect((error as InstanceType<typeof OpenAI.BadRequestError>).requestID).toMatch(/^[0-9a-f]{32}$/);
    await expect(client.responses.create({ model: 'gpt-0', input: 'Hi' })).rejects.toThrow(OpenAI.NotFoundError);
  });
});

describe('the body', () => {
  test.each([
    ['nothing', ''],
    ['no JSON', '{"model": "demo",'],
    ['JSON with a poisoned prototype', '{"model":"demo","input":"Hi","__proto__":{"a":1}}'],
  ])('%s', async (_, body) => {
    await expectEnvelope(await post(body), invalid('invalid_json', null));
  });

  test.each(['[]', '"Hi"', 'null', '7'])('JSON that is no object: %s', async (body) => {
    await expectEnvelope(await post(body), invalid('invalid_value', null));
  });

  test('of another type', async () => {
    const body = JSON.stringify({ model: 'demo', input: 'Hi' });
    const expected = invalid('unsupported_media_type', null, 415);
    await expectEnvelope(await post(body, { 'content-type': 'text/plain' }), expected);
    await expectEnvelope(await post(body, { 'content-type': 'application/x-www-form-urlencoded' }), expected);
  });

  test('larger than is allowed', async () => {
    const body = JSON.stringify({ model: 'demo', input: 'x'.repeat(BODY_LIMIT_BYTES) });
    await expectEnvelope(await post(body), {
      ...invalid('request_too_large', null, 413),
      message: `The body is larger than ${BODY_LIMIT_BYTES} bytes.`,
    });
    const chunked = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let sent = 0; sent <= BODY_LIMIT_BYTES; sent += 50_000) controller.enqueue(Buffer.alloc(50_000, ' '));
        controller.close();
      },
    });
    const init: RequestInit & { duplex: 'half' } = { method: 'POST', body: chunked, duplex: 'half' };
    await expectEnvelope(await stack.fetch('/v1/responses', init), invalid('request_too_large', null, 413));
  });
});

describe('where there is nothing', () => {
  const missing = (code: string): Expected => ({ status: 404, type: 'not_found_error', code });

  test('an unknown route, and a wrong method', async () => {
    await expectEnvelope(await stack.fetch('/v1/nothing'), missing('route_not_found'));
    await expectEnvelope(await stack.fetch('/'), missing('route_not_found'));
    const put = await stack.fetch('/v1/responses', { method: 'PUT', body: '{}' });
    expect(put.headers.get('allow')).toBe('POST');
    await expectEnvelope(put, invalid('method_not_allowed', null, 405));
  });

  test.each([UNKNOWN_ID, 'resp_1', 'nonsense', `resp_${'Z'.repeat(32)}`, '%00', "resp_'; DROP TABLE responses; --"])(
    'an unknown response: %s',
    async (id) => {
      const path = `/v1/responses/${id.startsWith('%') ? id : encodeURIComponent(id)}`;
      await expectEnvelope(await stack.fetch(path), missing('response_not_found'));
      await expectEnvelope(await stack.fetch(`${path}?stream=true`), missing('response_not_found'));
      await expectEnvelope(await stack.fetch(`${path}/steps`), missing('response_not_found'));
    },
  );

  test('an id that cannot be decoded', async () => {
    expect((await stack.fetch('/v1/responses/%E0%A4%A')).status).toBeGreaterThanOrEqual(400);
    expect((await stack.fetch('/v1/responses/%E0%A4%A')).status).toBeLessThan(500);
  });

  test('the official client throws its not-found error', async () => {
    await expect(client.responses.retrieve(UNKNOWN_ID)).rejects.toThrow(OpenAI.NotFoundError);
    await expect(client.responses.retrieve(UNKNOWN_ID, { stream: true })).rejects.toThrow(OpenAI.NotFoundError);
  });
});

describe('where a stream is to go on', () => {
  let id: string;
  beforeAll(async () => {
    id = (await client.responses.create({ model: 'demo', input: script('!text 2').text })).id;
  });

  test.each(['abc', '-1', '1.5', '', '%20', '1e3', '0x10', '99999999999999999999'])(
    'a starting_after that is no event: "%s"',
    async (value) => {
      const answer = await stack.fetch(`/v1/responses/${id}?stream=true&starting_after=${value}`);
      await expectEnvelope(answer, invalid('invalid_value', 'starting_after'));
    },
  );

  test.each(['abc', '-1', '1.5', '1e3', '0x10'])('a Last-Event-ID that is no event: "%s"', async (value) => {
    const answer = await stack.fetch(`/v1/responses/${id}?stream=true`, { headers: { 'last-event-id': value } });
    await expectEnvelope(answer, invalid('invalid_value', 'Last-Event-ID'));
  });

  test('a stream that is neither true nor false', async () => {
    await expectEnvelope(await stack.fetch(`/v1/responses/${id}?stream=maybe`), invalid('invalid_value', 'stream'));
  });

  test('the official client throws its own error, with the parameter', async () => {
    const bad = client.responses.retrieve(id, { stream: true, starting_after: -1 });
    const error = await bad.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ param: 'starting_after' });
  });
});

test('an Idempotency-Key that is too long', async () => {
  const body = JSON.stringify({ model: 'demo', input: 'Hi' });
  const expected = invalid('invalid_value', 'Idempotency-Key');
  await expectEnvelope(await post(body, { 'idempotency-key': 'k'.repeat(256) }), expected);
});
