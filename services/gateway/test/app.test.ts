/** What holds for every request, whatever its route. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { type Done, LimitReached, type LimitRefusal, type OrchestratorClient } from '@tailrace/bus';
import { ERRORS, type ErrorCode } from '@tailrace/protocol';
import { afterAll, describe, expect, test } from 'vitest';
import { EXPIRED_KEY, gatewayApp, JSON_HEADERS, KEY, OTHER_KEY } from './gateway-app.ts';

const { app } = gatewayApp();
afterAll(() => app.close());

interface Answer {
  statusCode: number;
  headers: Record<string, unknown>;
  json(): unknown;
}

function expectError(answer: Answer, code: ErrorCode, param: string | null = null): void {
  expect({ status: answer.statusCode, body: answer.json() }).toEqual({
    status: ERRORS[code].status,
    body: { error: { type: ERRORS[code].type, code, message: expect.stringMatching(/./), param } },
  });
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  expect(answer.headers['x-request-id']).toMatch(/^[\w.-]+$/);
}

const post = (url: string, payload: string, headers: Record<string, string> = JSON_HEADERS) =>
  app.inject({ method: 'POST', url, payload, headers });

describe('paths and methods', () => {
  test('an unknown path', async () => {
    for (const url of ['/', '/v1', '/v1/', '/v1/nothing', '/v1/responses/a/b/c', '/v2/responses']) {
      expectError(await app.inject({ method: 'GET', url }), 'route_not_found');
    }
  });

  test.each([
    ['PUT', '/v1/responses', 'POST'],
    ['GET', '/v1/responses', 'POST'],
    ['PATCH', '/v1/responses/resp_1', 'DELETE, GET, HEAD'],
    ['POST', '/v1/responses/resp_1', 'DELETE, GET, HEAD'],
    ['GET', '/v1/responses/resp_1/cancel', 'POST'],
    ['POST', '/v1/responses/resp_1/input_items', 'GET, HEAD'],
    ['GET', '/v1/conversations', 'POST'],
    ['PUT', '/v1/conversations/conv_1', 'DELETE, GET, HEAD, POST'],
    ['POST', '/v1/models', 'GET, HEAD'],
    ['DELETE', '/v1/models/a/b', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
  ] as const)('a method that the path does not take: %s %s', async (method, url, allow) => {
    const answer = await app.inject({ method, url });
    expectError(answer, 'method_not_allowed');
    expect(answer.headers.allow).toBe(allow);
  });

  test('whatever the body is', async () => {
    const headers = { 'content-type': 'text/plain' };
    expectError(await app.inject({ method: 'PUT', url: '/v1/responses', payload: '{', headers }), 'method_not_allowed');
    expectError(await app.inject({ method: 'POST', url: '/v1/nothing', payload: '{', headers }), 'route_not_found');
    const large = { method: 'POST', url: '/v1/nothing', payload: 'x'.repeat(20_000), headers: JSON_HEADERS } as const;
    expectError(await app.inject(large), 'route_not_found');
  });

  test('a path that cannot be decoded', async () => {
    const answer = await app.inject({ method: 'GET', url: '/v1/responses/%E0%A4%A' });
    expectError(answer, 'invalid_value');
    expect(answer.headers['openai-version']).toBe('2020-10-01');
  });

  test('an id as long as a path can be', async () => {
    const headers = { authorization: `Bearer ${KEY}` };
    const url = `/v1/responses/${'x'.repeat(8_000)}`;
    expectError(await app.inject({ method: 'GET', url, headers }), 'response_not_found');
    const item = `/v1/conversations/${'x'.repeat(8_000)}/items/y`;
    expectError(await app.inject({ method: 'GET', url: item, headers }), 'conversation_not_found');
  });
});

describe('bodies', () => {
  test('that are no JSON, or not right as JSON', async () => {
    expectError(await post('/v1/responses', ''), 'invalid_json');
    expectError(await post('/v1/responses', '{"model":'), 'invalid_json');
    expectError(await post('/v1/responses', '{"model":"small","model":"small"}'), 'invalid_json');
    expectError(await post('/v1/responses', '{"__proto__":{}}'), 'invalid_json');
    const deep = `${'['.repeat(65)}${']'.repeat(65)}`;
    expectError(await post('/v1/responses', `{"model":"small","input":${deep}}`), 'invalid_json');
  });

  test('that are too large', async () => {
    expectError(await post('/v1/responses', `{"input":"${'x'.repeat(10_000)}"}`), 'request_too_large');
  });

  test('of another type, and none at all', async () => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'text/plain' };
    expectError(await post('/v1/responses', '{}', headers), 'unsupported_media_type');
    const none = { authorization: `Bearer ${KEY}` };
    expectError(await app.inject({ method: 'POST', url: '/v1/responses', headers: none }), 'invalid_value');
  });

  test('may be missing, though announced, where none is needed', async () => {
    const empty = (method: 'POST' | 'DELETE', url: string) =>
      app.inject({ method, url, payload: '', headers: JSON_HEADERS });
    expectError(await empty('DELETE', '/v1/responses/resp_1'), 'response_not_found');
    expectError(await empty('POST', '/v1/responses/resp_1/cancel'), 'response_not_found');
    expectError(await empty('DELETE', '/v1/conversations/conv_1'), 'conversation_not_found');
    expectError(await empty('DELETE', '/v1/conversations/conv_1/items/msg_1'), 'conversation_not_found');
    expectError(await empty('POST', '/v1/conversations/conv_1/items'), 'invalid_json');
  });

  test.each([
    ['/v1/responses/compact', '{"model":"small"}', 'missing_required_parameter', 'input'],
    ['/v1/responses/compact', '{"model":"small","input":"a","temperature":1}', 'unknown_parameter', 'temperature'],
    ['/v1/responses/compact', '{"model":"none","input":"a"}', 'model_not_found', 'model'],
    ['/v1/responses/input_tokens', '{"input":"a"}', 'missing_required_parameter', 'model'],
    ['/v1/responses/input_tokens', '{"model":"small","input":"a","store":true}', 'unknown_parameter', 'store'],
    ['/v1/conversations', '{"items":[{"type":"thought"}]}', 'invalid_value', 'items[0].type'],
    ['/v1/conversations', '{"name":"x"}', 'unknown_parameter', 'name'],
    [
      '/v1/conversations',
      `{"items":[${Array(21).fill('{"role":"user","content":"a"}').join()}]}`,
      'invalid_value',
      'items',
    ],
    [
      '/v1/conversations',
      '{"items":[{"role":"user","content":[{"type":"input_file"}]}]}',
      'invalid_value',
      'items[0].content[0]',
    ],
    ['/v1/conversations', '{"metadata":{"a":1}}', 'invalid_value', 'metadata.a'],
  ] as const)('of %s: %s', async (url, body, code, param) => {
    expectError(await post(url, body), code, param);
  });
});

describe('headers', () => {
  test('the name of the request: the client’s own', async () => {
    for (const id of ['a', 'req_0-1.2', 'x'.repeat(128)]) {
      const answer = await app.inject({ url: '/v1/nothing', headers: { 'x-request-id': id } });
      expect(answer.headers['x-request-id']).toBe(id);
    }
  });

  test('or a new one, where that is none', async () => {
    for (const id of ['', 'a b', 'x'.repeat(129), 'a\tb', 'é', '<script>']) {
      const answer = await app.inject({ url: '/v1/nothing', headers: { 'x-request-id': id } });
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f]{32}$/);
    }
  });

  test('without one, the trace', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const traceparent = `00-${trace}-00f067aa0ba902b7-01`;
    expect((await app.inject({ url: '/v1/nothing', headers: { traceparent } })).headers['x-request-id']).toBe(trace);
    const both = { traceparent, 'x-request-id': 'mine' };
    expect((await app.inject({ url: '/v1/nothing', headers: both })).headers['x-request-id']).toBe('mine');
  });

  test('how long it took, and the version', async () => {
    for (const url of ['/v1/models', '/v1/nothing']) {
      const { headers } = await app.inject({ url });
      expect(headers['openai-processing-ms']).toMatch(/^\d+$/);
      expect(headers['openai-version']).toBe('2020-10-01');
    }
  });
});

describe('what is no request', () => {
  async function sent(bytes: string): Promise<{ head: string; body: unknown }> {
    if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(bytes);
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n');
    return { head, body: JSON.parse(body) };
  }

  const refused = (reason: string) => ({
    error: {
      type: 'invalid_request_error',
      code: 'invalid_value',
      message: expect.stringContaining(reason),
      param: null,
    },
  });

  test('is answered in the envelope, and the connection closed', async () => {
    const { head, body } = await sent('BLAH\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(head).toMatch(/\r\nx-request-id: [0-9a-f]{32}\r\n/);
    expect(body).toEqual(refused('not HTTP'));
  });

  test('headers that are too large', async () => {
    const { head, body } = await sent(`GET /v1/models HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`);
    expect(head).toMatch(/^HTTP\/1\.1 400 /);
    expect(body).toEqual(refused('too large'));
  });
});

describe('the models of a key', () => {
  const as = (key: string) => ({ authorization: `Bearer ${key}` });
  const resource = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'tailrace' });

  test('are those of its groups', async () => {
    const list = async (key: string) => (await app.inject({ url: '/v1/models', headers: as(key) })).json();
    expect(await list(KEY)).toEqual({ object: 'list', data: [resource('maker/big:1.5'), resource('small')] });
    expect(await list(OTHER_KEY)).toEqual({ object: 'list', data: [resource('secret')] });
  });

  test('one by one, slashes or not', async () => {
    for (const id of ['small', 'maker/big:1.5', 'maker%2Fbig%3A1.5']) {
      const answer = await app.inject({ url: `/v1/models/${id}`, headers: as(KEY) });
      expect(answer.json()).toEqual(resource(decodeURIComponent(id)));
    }
  });

  test('others are not there', async () => {
    for (const id of ['secret', 'none', 'a/b/c', 'small/']) {
      expectError(await app.inject({ url: `/v1/models/${id}`, headers: as(KEY) }), 'model_not_found', 'model');
    }
    expectError(await app.inject({ url: '/v1/models' }), 'missing_api_key');
    expectError(await app.inject({ url: '/v1/models/small', headers: as('sk-wrong') }), 'invalid_api_key');
  });
});

describe('a key that is limited', () => {
  const REFUSAL: LimitRefusal = {
    rule: 'this key may make 3 requests a minute',
    waitMs: 18_500,
    rateLimit: { requests: { limit: 3, remaining: 0, resetMs: 58_500 }, tokens: null },
  };
  const TOLD = {
    'x-ratelimit-limit-requests': '3',
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': '59s',
  };

  /** A gateway whose orchestrator answers each request with the next of these, and the commands that it has got. */
  function limitedApp(...answers: (Done | Error)[]) {
    const asked: unknown[] = [];
    const answer = async (command: unknown) => {
      asked.push(command);
      const next = answers.shift() ?? new Error('it was asked too often');
      if (next instanceof Error) throw next;
      return next;
    };
    const ask = (_kind: string, command: unknown) => answer(command);
    const admit = async (question: unknown) => ({ ...(await answer(question)), leased: true });
    const orchestrator = { ask, admit } as unknown as OrchestratorClient;
    const { app: limited } = gatewayApp({ perMinute: 3, orchestrator });
    const create = (change: { url?: string; key?: string; payload?: object; headers?: object } = {}) =>
      limited.inject({
        method: 'POST',
        url: change.url ?? '/v1/responses',
        payload: change.payload ?? {
          model: change.key === OTHER_KEY ? 'secret' : 'small',
          input: 'Hi.',
          background: true,
        },
        headers: { ...JSON_HEADERS, authorization: `Bearer ${change.key ?? KEY}`, ...change.headers },
      });
    return { limited, asked, create };
  }

  test('is asked about with its limits, and told where they stand', async () => {
    const requests = { limit: 3, remaining: 2, resetMs: 20_000 };
    const tokens = { limit: 90_000, remaining: 89_000, resetMs: 667 };
    const { limited, asked, create } = limitedApp({ existed: false, rateLimit: { requests, tokens } });
    const answer = await create();
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({
      'x-ratelimit-limit-requests': '3',
      'x-ratelimit-remaining-requests': '2',
      'x-ratelimit-reset-requests': '20s',
      'x-ratelimit-limit-tokens': '90000',
      'x-ratelimit-remaining-tokens': '89000',
      'x-ratelimit-reset-tokens': '667ms',
    });
    expect(asked).toMatchObject([
      {
        keyName: 'somebody',
        limits: [{ scope: 'key:somebody', requestsPerMinute: 3, tokensPerMinute: null, concurrency: null }],
      },
    ]);
    await limited.close();
  });

  test('that is refused is told when to come again, and not asked about until then', async () => {
    const { limited, asked, create } = limitedApp(new LimitReached(REFUSAL));
    for (const url of ['/v1/responses', '/v1/responses/compact', '/v1/responses/input_tokens']) {
      // Not even its body is looked at.
      const refused = await create(asked.length > 0 ? { url, payload: {} } : {});
      expectError(refused, 'rate_limit_exceeded');
      expect(refused.headers).toMatchObject({ ...TOLD, 'retry-after': '19' });
    }
    expect(asked).toHaveLength(1);
    const headers = { authorization: `Bearer ${KEY}` };
    const models = await limited.inject({ url: '/v1/models', headers });
    expect(models.statusCode).toBe(200);
    expect(models.headers).not.toHaveProperty('x-ratelimit-limit-requests');
    await limited.close();
  });

  test('is asked about where its request may have been accepted before, and so are other keys', async () => {
    const { limited, asked, create } = limitedApp(new LimitReached(REFUSAL), new LimitReached(REFUSAL), {
      existed: false,
    });
    await create();
    expectError(await create({ headers: { 'idempotency-key': 'again' } }), 'rate_limit_exceeded');
    expect((await create({ key: OTHER_KEY })).statusCode).toBe(200);
    expect(asked).toHaveLength(3);
    await limited.close();
  });

  test('for what is under way is asked about at once', async () => {
    const { limited, asked, create } = limitedApp(new LimitReached({ ...REFUSAL, waitMs: null }), { existed: false });
    const refused = await create();
    expectError(refused, 'rate_limit_exceeded');
    expect(refused.headers).toMatchObject({ 'retry-after': '1' });
    expect((await create()).statusCode).toBe(200);
    expect(asked).toHaveLength(2);
    await limited.close();
  });

  test('is told of nothing where nothing limits it', async () => {
    expect((await post('/v1/responses', '{}')).headers).not.toHaveProperty('x-ratelimit-limit-requests');
  });
});

test('a key whose time is over is refused as such', async () => {
  expectError(
    await post('/v1/responses', '{}', { ...JSON_HEADERS, authorization: `Bearer ${EXPIRED_KEY}` }),
    'expired_api_key',
  );
  expectError(
    await app.inject({ url: '/v1/models', headers: { authorization: `Bearer ${EXPIRED_KEY}` } }),
    'expired_api_key',
  );
});

test('a gateway that stops sends its clients on', async () => {
  const stopping = gatewayApp();
  await stopping.streams.drain(1);
  for (const url of ['/v1/models', '/v1/nothing']) {
    const answer = await stopping.app.inject({ url, headers: { authorization: `Bearer ${KEY}` } });
    expectError(answer, 'unavailable');
    expect(answer.headers).toMatchObject({ 'retry-after': '1', connection: 'close' });
  }
  await stopping.app.close();
});
