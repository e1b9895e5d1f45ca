/** Errors of HTTP itself, limits and headers: at a real gateway, past every client library. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const LIMITED_KEY = 'sk-limited-0123456789abcdef';
const PER_MINUTE = 2;

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    config: {
      keys: [{ name: 'limited', key: LIMITED_KEY, groups: ['everyone'], limits: { requests_per_minute: PER_MINUTE } }],
    },
  });
});
afterAll(() => stack.stop());

const envelope = (code: string, type = 'invalid_request_error') => ({
  error: { type, code, message: expect.stringMatching(/./), param: null },
});

describe('methods', () => {
  test('one that a path does not take: 405, and those that it takes', async () => {
    for (const [method, path, allow] of [
      ['PUT', '/v1/responses', 'POST'],
      ['GET', '/v1/responses', 'POST'],
      ['PATCH', '/v1/responses/resp_1', 'DELETE, GET, HEAD'],
      ['DELETE', '/v1/models', 'GET, HEAD'],
    ] as const) {
      const answer = await stack.fetch(path, { method });
      expect({ path, status: answer.status, allow: answer.headers.get('allow') }).toEqual({ path, status: 405, allow });
      expect(await answer.json()).toEqual(envelope('method_not_allowed'));
    }
  });

  test('an upgrade to something else is a request like any', async () => {
    const answer = await raw(
      'GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n',
    );
    expect(answer.status).toBe(401);
  });
});

describe('what is no request', () => {
  test.each([
    ['no HTTP', 'HELLO\r\n\r\n'],
    ['headers that are too large', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`],
    ['a path that is too long', `GET /${'y'.repeat(70_000)} HTTP/1.1\r\nhost: x\r\n\r\n`],
    ['two lengths', 'POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
    [
      'a length and chunks',
      'POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('%s', async (_, bytes) => {
    const { status, body } = await raw(bytes);
    expect(status).toBe(400);
    expect(body).toEqual(envelope('invalid_value'));
  });

  test('a path that cannot be decoded', async () => {
    const answer = await stack.fetch('/v1/responses/%E0%A4%A');
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual(envelope('invalid_value'));
  });
});

describe('the headers of an answer', () => {
  const check = (headers: Headers) => {
    expect(headers.get('x-request-id')).toBe('req_mine-1');
    expect(headers.get('openai-version')).toBe('2020-10-01');
    expect(headers.get('openai-processing-ms')).toMatch(/^\d+$/);
  };
  const post = (body: Record<string, unknown>) =>
    stack.fetch('/v1/responses', {
      method: 'POST',
      body: JSON.stringify({ model: 'demo', input: script('!text 2').text, ...body }),
      headers: { 'x-request-id': 'req_mine-1' },
    });

  test('of a response, of a stream, of an error', async () => {
    const blocking = await post({});
    check(blocking.headers);
    expect((await blocking.json()) as unknown).toMatchObject({ status: 'completed' });
    const stream = await post({ stream: true });
    check(stream.headers);
    expect((await readFrames(stream)).done).toBe(true);
    const refused = await post({ model: 'none' });
    expect(refused.status).toBe(404);
    check(refused.headers);
    await refused.body?.cancel();
  });

  test('tell the official client the name of its request', async () => {
    const { request_id } = await stack
      .openai()
      .responses.create({ model: 'demo', input: script('!text 2').text })
      .withResponse();
    expect(request_id).toMatch(/^[0-9a-f]{32}$/);
  });
});

test('a key that asks too often is told when to come back', async () => {
  const { text: input } = script('!text 1');
  const client = new OpenAI({ baseURL: `${stack.gateways[0]}/v1`, apiKey: LIMITED_KEY, maxRetries: 0 });
  const create = () => client.responses.create({ model: 'demo', input, background: true }).withResponse();
  for (let left = PER_MINUTE - 1; left >= 0; left -= 1) {
    const { response } = await create();
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe(String(PER_MINUTE));
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe(String(left));
    expect(response.headers.get('x-ratelimit-reset-requests')).toMatch(/^(1m0|[1-5]?\d)s$/);
  }
  const refused = await create().catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
  expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'too_many_requests' });
  const { headers } = refused as InstanceType<typeof OpenAI.RateLimitError>;
  const seconds = Number(headers?.get('retry-after'));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(60 / PER_MINUTE);
  // What makes no model work is not counted, and other keys have their own.
  await client.models.list();
  await stack.openai().responses.create({ model: 'demo', input });
});

/** Sends bytes to a gateway, and reads its answer to the end. */
async function raw(bytes: string): Promise<{ status: number; body: unknown }> {
  const { hostname, port } = new URL(stack.gateways[0] ?? '');
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(bytes);
  const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), body: JSON.parse(body) };
}
