/** What keys may use, whichever gateway they ask: requests, tokens, and how much at once. */
import { once } from 'node:events';
import { connect } from 'node:net';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { startProcess } from './service-process.ts';
import { type StatementProxy, statementProxy } from './statement-proxy.ts';
import { WebSocketClient } from './websocket-client.ts';

const SECRET = 'a-secret-of-the-tests';
const keyOf = (name: string) => `sk-${name}-0123456789abcdef`;

/** A key whose own limits are these, beside what all have. */
const key = (name: string, limits: Record<string, number>, more: Record<string, unknown> = {}) => ({
  name,
  key: keyOf(name),
  groups: ['everyone'],
  limits,
  ...more,
});
const MANY = 1_000_000;

let stack: TestStack;
let proxy: StatementProxy;

beforeAll(async () => {
  stack = await testStack({
    replicas: { gateway: 2, orchestrator: 2 },
    env: { TAILRACE_SECRET_KEY: SECRET, KEY_REQUESTS_PER_MINUTE: '4' },
    config: {
      groups: [{ name: 'team', limits: { requests_per_minute: 3 } }],
      keys: [
        key('free', {}),
        key('requests', { requests_per_minute: 6 }),
        key('parallel', { requests_per_minute: MANY, concurrency: 3 }),
        key('tokens', { requests_per_minute: MANY, tokens_per_minute: 200 }),
        key('ann', { requests_per_minute: MANY }, { groups: ['everyone', 'team'] }),
        key('ben', { requests_per_minute: MANY }, { groups: ['everyone', 'team'] }),
        key('twice', { requests_per_minute: 5 }),
        key('ways', { requests_per_minute: 60, tokens_per_minute: 60_000 }),
        key('socket', { requests_per_minute: 2 }),
        key('relay', { requests_per_minute: 4, tokens_per_minute: 60_000, concurrency: 1 }),
        key('former', {}, { expires_at: new Date(Date.now() - 1_000).toISOString() }),
      ],
    },
  });
  proxy = await statementProxy(stack.databaseUrl);
});
afterAll(async () => {
  await proxy.close();
  await stack.stop();
});

const QUICK = script('!text 2').text;

/** A request at one of the gateways. */
function post(
  name: string,
  gateway: number,
  body: Record<string, unknown> = {},
  { path = '/v1/responses', headers = {} }: { path?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  return stack.fetch(path, {
    method: 'POST',
    gateway,
    headers: { ...headers, authorization: `Bearer ${keyOf(name)}` },
    body: JSON.stringify({ model: 'demo', ...(path.endsWith('completions') ? {} : { input: QUICK }), ...body }),
  });
}

/** So many requests at once, at both gateways in turn; how many were answered with what. */
async function race(count: number, start: (gateway: number, index: number) => Promise<Response>) {
  const answers = await Promise.all(Array.from({ length: count }, (_, index) => start(index % 2, index)));
  const refused = answers.filter((answer) => answer.status === 429);
  const passed = answers.filter((answer) => answer.status === 200);
  expect(passed.length + refused.length).toBe(count);
  return { passed, refused };
}

async function rowsOf(name: string): Promise<number> {
  const { rows } = await stack.database.query<{ count: string }>('SELECT count(*) FROM responses WHERE key_name = $1', [
    name,
  ]);
  return Number(rows[0]?.count);
}

const remaining = (answer: Response) => answer.headers.get('x-ratelimit-remaining-requests');

describe('two gateways', () => {
  test('let through as many requests as one would, and what is refused leaves nothing', async () => {
    const { passed, refused } = await race(12, (gateway) => post('requests', gateway, { background: true }));
    expect(passed).toHaveLength(6);
    expect(passed.map(remaining).sort()).toEqual(['0', '1', '2', '3', '4', '5']);
    for (const answer of refused) {
      // One comes back every ten seconds.
      expect(Number(answer.headers.get('retry-after'))).toSatisfy(
        (s: number) => Number.isInteger(s) && s >= 1 && s <= 10,
      );
      expect(answer.headers.get('x-ratelimit-limit-requests')).toBe('6');
      expect(remaining(answer)).toBe('0');
      expect(await answer.json()).toEqual({
        error: {
          type: 'too_many_requests',
          code: 'rate_limit_exceeded',
          message: expect.stringMatching(
            /^Rate limit reached: this key may make 6 requests a minute\. Try again in \d+ s\.$/,
          ),
          param: null,
        },
      });
    }
    expect(await rowsOf('requests')).toBe(6);
  });

  test('hold keys without a limit of their own to the one that all have', async () => {
    const { passed } = await race(8, (gateway) => post('free', gateway, { background: true }));
    expect(passed).toHaveLength(4);
    expect(passed[0]?.headers.get('x-ratelimit-limit-requests')).toBe('4');
  });

  test('hold the keys of a group to what they may use together', async () => {
    const { passed, refused } = await race(8, (gateway, index) =>
      post(index % 4 < 2 ? 'ann' : 'ben', gateway, { background: true }),
    );
    expect(passed).toHaveLength(3);
    expect(await refused[0]?.json()).toMatchObject({
      error: { message: expect.stringContaining("all keys of the group 'team' together may make 3 requests a minute") },
    });
    expect((await rowsOf('ann')) + (await rowsOf('ben'))).toBe(3);
  });

  test('let as many run at once as one would, and another as soon as one has ended', async () => {
    const slow = script('!text 60 50').text;
    const { passed, refused } = await race(8, (gateway) =>
      post('parallel', gateway, { input: slow, background: true }),
    );
    expect(passed).toHaveLength(3);
    expect(refused.map((answer) => answer.headers.get('retry-after'))).toEqual(Array(5).fill('1'));
    const [first] = await Promise.all(passed.map((answer) => answer.json() as Promise<{ id: string }>));
    const cancelled = await stack.fetch(`/v1/responses/${first?.id}/cancel`, {
      method: 'POST',
      gateway: 1,
      headers: { authorization: `Bearer ${keyOf('parallel')}` },
    });
    expect(cancelled.status).toBe(200);
    const next = await race(4, (gateway) => post('parallel', gateway, { input: slow, background: true }));
    expect(next.passed).toHaveLength(1);
    await eventually('all have ended', async () => (await post('parallel', 0)).status === 200);
    await eventually('nothing is held', async () => {
      const { rows } = await stack.database.query("SELECT 1 FROM limit_leases WHERE scope = 'key:parallel'");
      return rows.length === 0;
    });
  });

  test('charge the tokens that were used, wherever they were', async () => {
    const first = await post('tokens', 0);
    expect(first.headers.get('x-ratelimit-limit-tokens')).toBe('200');
    expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe('200');
    const { usage } = (await first.json()) as { usage: { total_tokens: number } };
    const second = await post('tokens', 1);
    const left = Number(second.headers.get('x-ratelimit-remaining-tokens'));
    expect(left).toBeLessThan(200);
    expect(left).toBeGreaterThanOrEqual(200 - usage.total_tokens);
    await second.json();
    // Far more than there is.
    await (await post('tokens', 0, { input: script('!text 400').text })).json();
    const { refused } = await race(4, (gateway) => post('tokens', gateway));
    expect(refused).toHaveLength(4);
    expect(await refused[0]?.json()).toMatchObject({
      error: { message: expect.stringContaining('this key may use 200 tokens a minute') },
    });
    expect(refused[0]?.headers.get('x-ratelimit-remaining-tokens')).toBe('0');
    expect(refused[0]?.headers.get('x-ratelimit-reset-tokens')).toMatch(/^(\d+h)?(\d+m)?\d+s$/);
  });

  test('count a request once that is sent again', async () => {
    const headers = { 'idempotency-key': 'once' };
    const { passed } = await race(6, (gateway) => post('twice', gateway, {}, { headers }));
    const ids = await Promise.all(passed.map(async (answer) => ((await answer.json()) as { id: string }).id));
    expect(new Set(ids).size).toBe(1);
    expect(passed).toHaveLength(6);
    for (let left = 3; left >= 0; left -= 1) expect(remaining(await post('twice', left % 2))).toBe(String(left));
    expect((await post('twice', 0)).status).toBe(429);
    // It is there already, and costs nothing.
    for (const gateway of [0, 1]) {
      const again = await post('twice', gateway, {}, { headers });
      expect(again.status).toBe(200);
      expect(((await again.json()) as { id: string }).id).toBe(ids[0]);
    }
  });
});

describe('every way to ask', () => {
  test('is told where the limits stand', async () => {
    const told = async (answer: Response) => {
      expect(answer.status).toBe(200);
      expect(answer.headers.get('x-ratelimit-limit-requests')).toBe('60');
      expect(answer.headers.get('x-ratelimit-limit-tokens')).toBe('60000');
      expect(answer.headers.get('x-ratelimit-reset-requests')).toMatch(/^(\d+s|\d+ms)$/);
      expect(answer.headers.get('x-ratelimit-reset-tokens')).toMatch(/^(\d+s|\d+ms)$/);
      return Number(remaining(answer));
    };
    const blocking = await post('ways', 0);
    expect(await told(blocking)).toBe(59);
    await blocking.json();
    const stream = await post('ways', 1, { stream: true });
    expect(await told(stream)).toBeGreaterThanOrEqual(57);
    expect((await readFrames(stream)).done).toBe(true);
    await told(await post('ways', 0, { background: true }));
    await told(await post('ways', 1, { background: true, stream: true }));
    await told(await post('ways', 0, {}, { path: '/v1/responses/compact' }));
    await told(await post('ways', 1, {}, { path: '/v1/responses/input_tokens' }));
    const client = new OpenAI({ baseURL: `${stack.gateways[0]}/v1`, apiKey: keyOf('ways'), maxRetries: 0 });
    const { response } = await client.responses.create({ model: 'demo', input: QUICK }).withResponse();
    await told(response);
  });

  test('over a WebSocket is counted too', async () => {
    const url = stack.gateways[1] ?? '';
    const client = await WebSocketClient.open({ url, apiKey: keyOf('socket'), checks: stack.checks });
    for (let turn = 0; turn < 2; turn += 1) await client.ask({ input: QUICK });
    expect(await client.refused({ input: QUICK })).toMatchObject({
      status: 429,
      error: { type: 'too_many_requests', code: 'rate_limit_exceeded' },
    });
    await client.leave();
    expect((await post('socket', 0)).status).toBe(429);
  });

  test('as a completion that is passed on is counted too', async () => {
    const path = '/v1/chat/completions';
    const messages = (text: string) => ({ messages: [{ role: 'user', content: text }] });
    const slow = post('relay', 0, { ...messages(script('!text 40 50').text), stream: true }, { path });
    const streaming = await slow;
    expect(streaming.status).toBe(200);
    expect(remaining(streaming)).toBe('3');
    // It runs: nothing else may.
    const refused = await post('relay', 1);
    expect(await refused.json()).toMatchObject({
      error: { message: expect.stringContaining('may have 1 requests under way at once') },
    });
    await streaming.text();
    await eventually('its tokens are charged, and its place is free', async () => {
      const { rows } = await stack.database.query<{ tokens_used: number; leases: string }>(
        `SELECT tokens_used, (SELECT count(*) FROM limit_leases WHERE scope = 'key:relay') AS leases
         FROM limit_buckets WHERE scope = 'key:relay'`,
      );
      return (rows[0]?.tokens_used ?? 0) > 0 && rows[0]?.leases === '0';
    });
    const next = await post('relay', 1, messages(QUICK), { path });
    expect(next.status).toBe(200);
    expect(Number(next.headers.get('x-ratelimit-remaining-tokens'))).toBeLessThan(60_000);
    await next.json();
  });
});

describe('a key whose time is over', () => {
  test('is refused as such, by every gateway', async () => {
    for (const gateway of [0, 1]) {
      const answer = await post('former', gateway);
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({ error: { type: 'authentication_error', code: 'expired_api_key' } });
    }
  });
});

describe('what it costs', () => {
  test('a wrong key: no statement; a key without limits: none about limits', async () => {
    const env = { NATS_URL: stack.natsUrl, DATABASE_URL: proxy.url, TAILRACE_SECRET_KEY: SECRET };
    await using gateway = await startProcess('gateway', stack.checks, env);
    await eventually(
      'the gateway is ready',
      async () => (await stack.validatingFetch(`${gateway.url}/readyz`)).status === 200,
    );
    const before = proxy.runs;
    const ask = (authorization: string, path: string, init: RequestInit = {}) =>
      stack.validatingFetch(`${gateway.url}${path}`, {
        ...init,
        headers: { authorization, 'content-type': 'application/json' },
      });
    const body = JSON.stringify({ model: 'demo', input: QUICK });
    for (const secret of ['sk-wrong', keyOf('former'), 'x'.repeat(10_000), `${stack.apiKey}x`, stack.apiKey.slice(1)]) {
      for (const [path, init] of [
        ['/v1/responses', { method: 'POST', body }],
        ['/v1/responses/resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b', {}],
        ['/v1/models', {}],
        ['/v1/conversations', { method: 'POST', body: '{}' }],
        ['/v1/chat/completions', { method: 'POST', body }],
      ] as const) {
        expect((await ask(`Bearer ${secret}`, path, init)).status).toBe(401);
      }
    }
    expect(proxy.runs).toBe(before);
    const stored = await ask(`Bearer ${stack.apiKey}`, '/v1/responses/resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b');
    expect(stored.status).toBe(404);
    expect(proxy.runs).toBeGreaterThan(before);
    expect(proxy.texts.filter((text) => text.includes('limit_'))).toEqual([]);
  });

  test.each(['responses', 'conversations', 'chat/completions'])(
    'a wrong key: an answer before its body is read (%s)',
    async (path) => {
      const { hostname, port } = new URL(stack.gateways[0] ?? '');
      const socket = connect(Number(port), hostname);
      const head = [
        'host: x',
        'authorization: Bearer sk-wrong',
        'content-type: application/json',
        'content-length: 30000000',
      ];
      socket.write(`POST /v1/${path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`);
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).toMatch(/^HTTP\/1.1 401 /);
      socket.destroy();
    },
  );
});
