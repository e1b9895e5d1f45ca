import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GuardedFetch } from '@tailrace/guarded-fetch';
import { errorInfo } from '@tailrace/protocol';
import { registeredMcpTool } from '@tailrace/registry/fixtures';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { type McpServerOptions, startMcpServer, type TestMcpServer } from '../../../test/harness/mcp-server.ts';
import { type McpKindLimits, mcpKind } from '../src/mcp/mcp-kind.ts';
import type { ToolCaller } from '../src/tool-caller.ts';
import {
  callWork,
  delivery,
  listWork,
  mcpServer,
  never,
  requestedAt,
  STEP_ID,
  sealer,
  TRACE,
  toolCaller,
} from './steps.ts';

const LIMITS: McpKindLimits = {
  timeoutMs: 5_000,
  connectMs: 1_000,
  maxHeaderBytes: 16_384,
  connections: 8,
  sessions: { sessions: 4, idleMs: 60_000, connectMs: 5_000, maxBytes: 20_000 },
  listings: { ttlMs: 60_000, maxTools: 20, maxBytes: 10_000, cacheBytes: 100_000 },
};

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

async function start(options: McpServerOptions = {}): Promise<TestMcpServer> {
  const server = await startMcpServer(options);
  opened.push(server);
  return server;
}

/** Tools of these registered servers, and of whatever a request names on this machine. */
function callerFor(
  urls: Record<string, string>,
  change: { limits?: Partial<McpKindLimits>; tool?: Parameters<typeof registeredMcpTool>[2] } = {},
): ToolCaller {
  const tools = Object.entries(urls).map(([name, url]) =>
    registeredMcpTool(name, url, { timeoutMs: 5_000, ...change.tool }),
  );
  const guarded = new GuardedFetch({
    allow: ['127.0.0.0/8'],
    connectMs: 1_000,
    totalMs: 5_000,
    maxBytes: 20_000,
    maxRedirects: 0,
  });
  const caller = toolCaller([mcpKind({ ...LIMITS, ...change.limits }, sealer, guarded)], tools);
  opened.push(caller);
  return caller;
}

const wiki = mcpServer({ registered: 'wiki' });
const run = (caller: ToolCaller, work: ReturnType<typeof callWork>) => caller.run(work, delivery(), never);

describe.each([
  ['a stream', {}],
  ['JSON', { json: true }],
  ['no sessions', { stateless: true }],
])('a server that answers with %s', (_, options) => {
  test('lists its tools, and they are called', async () => {
    const server = await start(options);
    const caller = callerFor({ wiki: server.url });
    const listed = await run(caller, listWork(wiki));
    expect(listed.outcome).toMatchObject({ result: { output: '' } });
    const tools = 'result' in listed.outcome ? (listed.outcome.result.tools ?? []) : [];
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(['echo', 'add', 'measure']));
    expect(tools[0]).toEqual({
      name: 'echo',
      description: 'Says what it is told.',
      input_schema: {
        type: 'object',
        properties: { text: { type: 'string' } },
        required: ['text'],
        additionalProperties: false,
      },
      annotations: { readOnlyHint: true },
    });
    const { outcome, calls } = await run(caller, callWork(wiki, 'add', { a: 1, b: 2 }));
    expect(outcome).toEqual({ result: { output: '3' } });
    expect(calls).toEqual([
      { mark: expect.anything(), tool: 'wiki.add', status: 200, durationMs: expect.any(Number), errorCode: null },
    ]);
  });
});

describe('what a tool answers', () => {
  test('becomes a text', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url });
    const outputs = async (name: string, args = {}) => (await run(caller, callWork(wiki, name, args))).outcome;
    expect(await outputs('echo', { text: 'a\nb' })).toEqual({ result: { output: 'a\nb' } });
    expect(await outputs('measure')).toEqual({ result: { output: '{"degrees":21.5}' } });
    expect(await outputs('picture')).toEqual({
      result: { output: 'Look:\n{"type":"image","data":"aGk=","mimeType":"image/png"}' },
    });
    expect(await outputs('fail', { why: 'no money' })).toEqual({
      error: { code: 'tool_failed', message: 'The tool failed: no money' },
    });
  });

  test('is bounded, and the next call works', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url });
    expect((await run(caller, callWork(wiki, 'flood', { bytes: 30_000 }))).outcome).toMatchObject({
      error: { code: 'tool_output_too_large' },
    });
    expect((await run(caller, callWork(wiki, 'echo', { text: 'on' }))).outcome).toEqual({ result: { output: 'on' } });
  });
});

describe('what a server is sent', () => {
  test('its own headers, and what tells the call; never shown in what it answers', async () => {
    const server = await start({ requires: { authorization: 'Bearer sk-of-the-wiki' } });
    const headers = { Authorization: sealer.seal('Bearer sk-of-the-wiki'), 'x-tenant': sealer.seal('tenant-number-7') };
    const caller = callerFor({ wiki: server.url }, { tool: { headers } });
    const { outcome } = await run(caller, callWork(wiki, 'headers', {}));
    const said = JSON.parse('result' in outcome ? outcome.result.output : '');
    expect(said).toMatchObject({ authorization: '***', 'x-tenant': '***' });
    const sent = server.calls[0]?.headers;
    expect(sent).toMatchObject({
      authorization: 'Bearer sk-of-the-wiki',
      'idempotency-key': STEP_ID,
      traceparent: expect.stringContaining(TRACE),
    });
  });

  test('is in no piece of an answer that cannot be read', async () => {
    const broken = createServer((_, out) => {
      out.writeHead(200, { 'content-type': 'application/json' }).end('sk-of-the-wiki, you said');
    });
    broken.listen(0, '127.0.0.1');
    await once(broken, 'listening');
    const url = `http://127.0.0.1:${(broken.address() as AddressInfo).port}/mcp`;
    const caller = callerFor({ wiki: url }, { tool: { headers: { 'x-sess': sealer.seal('sk-of-the-wiki') } } });
    expect((await run(caller, callWork(wiki, 'echo', {}))).outcome).toEqual({
      error: errorInfo('tool_invalid_answer', { reason: 'it is not JSON' }),
    });
    broken.closeAllConnections();
    broken.close();
  });

  test('the headers that a client has sealed for it', async () => {
    const server = await start({ requires: { 'x-key': 'key-of-the-client' } });
    const caller = callerFor({});
    const given = mcpServer(requestedAt(server.url, { 'x-key': 'key-of-the-client' }));
    expect((await run(caller, callWork(given, 'echo', { text: 'key-of-the-client?' }))).outcome).toEqual({
      result: { output: '***?' },
    });
    const without = mcpServer(requestedAt(server.url));
    expect((await run(caller, callWork(without, 'echo', { text: 'hi' }))).outcome).toEqual({
      error: { code: 'tool_http_error', message: 'The tool answered 401: who are you?' },
    });
    for (const change of [{ headers: { 'x-key': 'sealed by nobody' } }, { url: server.url }]) {
      const foreign = mcpServer({ ...requestedAt(server.url), ...change });
      expect((await run(caller, callWork(foreign, 'echo', { text: 'hi' }))).outcome).toEqual({
        error: errorInfo('secret_unreadable', { name: 'given' }),
      });
    }
  });

  test('arguments that fit the schema; others never leave', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url });
    const parameters = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] };
    const { outcome, calls } = await run(caller, callWork(wiki, 'echo', { text: 1 }, { parameters }));
    expect(outcome).toMatchObject({ error: { code: 'tool_arguments_mismatch' } });
    expect(calls).toEqual([]);
    expect(server.requests).toEqual([]);
  });

  test('no call of a tool that the request may not call', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url });
    const some = mcpServer({ registered: 'wiki' }, { allowed_tools: ['echo'] });
    expect((await run(caller, callWork(some, 'add', { a: 1, b: 1 }))).outcome).toMatchObject({
      error: { code: 'tool_not_found' },
    });
    expect(server.requests).toEqual([]);
    const { outcome } = await run(caller, listWork(some));
    expect('result' in outcome && outcome.result.tools?.map(({ name }) => name)).toEqual(['echo']);
  });
});

describe('a listing', () => {
  test('of many pages is read whole, once; the next one is no call', async () => {
    const server = await start({ pageSize: 2 });
    const caller = callerFor({ wiki: server.url });
    const first = await run(caller, listWork(wiki));
    const pages = server.methods.filter((method) => method === 'tools/list').length;
    expect(pages).toBeGreaterThan(3);
    const second = await run(caller, listWork(wiki));
    expect(second).toEqual({ outcome: first.outcome, calls: [] });
    expect(server.methods.filter((method) => method === 'tools/list')).toHaveLength(pages);
  });

  test('is not shared by requests with other credentials in their address', async () => {
    const server = await start();
    const caller = callerFor({});
    const as = (key: string) => mcpServer(requestedAt(`${server.url}/${key}?key=${key}`));
    for (const key of ['one-client', 'one-client', 'another-one']) await run(caller, listWork(as(key)));
    expect(server.methods.filter((method) => method === 'tools/list')).toHaveLength(2);
    expect(new Set(server.targets)).toEqual(
      new Set(['/mcp/one-client?key=one-client', '/mcp/another-one?key=another-one']),
    );
  });

  test('is not shared by requests with other credentials', async () => {
    const server = await start();
    const caller = callerFor({});
    const as = (key: string) => mcpServer(requestedAt(server.url, { 'x-key': key }));
    for (const key of ['one-client', 'one-client', 'another-one']) await run(caller, listWork(as(key)));
    expect(server.methods.filter((method) => method === 'tools/list')).toHaveLength(2);
  });

  test('is believed for a while, and no longer', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url }, { limits: { listings: { ...LIMITS.listings, ttlMs: 1 } } });
    await run(caller, listWork(wiki));
    await eventually('it is asked again', async () => {
      await run(caller, listWork(wiki));
      return server.methods.filter((method) => method === 'tools/list').length > 1;
    });
  });

  test('is bounded in its number and its size', async () => {
    const many = await start({ more: 30 });
    expect((await run(callerFor({ wiki: many.url }), listWork(wiki))).outcome).toMatchObject({
      error: { code: 'tool_invalid_answer', message: expect.stringContaining('more than 20 tools') },
    });
    const small = callerFor(
      { wiki: many.url },
      { limits: { listings: { ...LIMITS.listings, maxTools: 99, maxBytes: 500 } } },
    );
    expect((await run(small, listWork(wiki))).outcome).toMatchObject({ error: { code: 'tool_output_too_large' } });
  });

  test('that does not come in time', async () => {
    const server = await start({ listMs: 10_000 });
    const caller = callerFor({ wiki: server.url }, { tool: { timeoutMs: 200 } });
    expect((await run(caller, listWork(wiki))).outcome).toEqual({
      error: { code: 'tool_timeout', message: 'The tool did not answer within 200 ms.' },
    });
  });
});

describe('sessions', () => {
  const count = (server: TestMcpServer) => server.methods.filter((method) => method === 'initialize').length;

  test('are shared by all responses where the operator has registered the server', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url });
    for (const responseId of ['a', 'b']) await run(caller, callWork(wiki, 'echo', { text: 'hi' }, { responseId }));
    expect(count(server)).toBe(1);
    // Nobody listens to what a server says by itself.
    expect(server.methods).toEqual(['initialize', 'notifications/initialized', 'tools/call', 'tools/call']);
  });

  test('are a response’s own where a client has named the server', async () => {
    const server = await start();
    const caller = callerFor({});
    const given = mcpServer(requestedAt(server.url));
    for (const responseId of ['a', 'b', 'a'])
      await run(caller, callWork(given, 'echo', { text: 'hi' }, { responseId }));
    expect(count(server)).toBe(2);
  });

  test('that a server has forgotten are made anew, and the call is made once', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url });
    await run(caller, callWork(wiki, 'echo', { text: 'one' }));
    server.forget();
    const { outcome } = await run(caller, callWork(wiki, 'echo', { text: 'two' }));
    expect(outcome).toEqual({ result: { output: 'two' } });
    expect(count(server)).toBe(2);
    expect(server.calls.map((call) => call.arguments.text)).toEqual(['one', 'two']);
  });

  test('are bounded: the one that is used least is closed', async () => {
    const server = await start();
    const caller = callerFor({});
    const given = mcpServer(requestedAt(server.url));
    for (let n = 0; n < 6; n += 1) {
      await run(caller, callWork(given, 'echo', { text: 'hi' }, { responseId: `r${n}` }));
    }
    await eventually('two are closed', async () => server.requests.length === 6 * 3 + 2);
  });

  test('that nobody uses are closed', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url }, { limits: { sessions: { ...LIMITS.sessions, idleMs: 50 } } });
    await run(caller, callWork(wiki, 'echo', { text: 'hi' }));
    await eventually('it is closed', async () => server.requests.length === 4);
    expect((await run(caller, callWork(wiki, 'echo', { text: 'on' }))).outcome).toEqual({ result: { output: 'on' } });
  });

  test('that are needed at once by many calls are made once', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url });
    const texts = Array.from({ length: 20 }, (_, n) => String(n));
    const all = await Promise.all(texts.map((text) => run(caller, callWork(wiki, 'echo', { text }))));
    expect(all.map(({ outcome }) => 'result' in outcome && outcome.result.output)).toEqual(texts);
    expect(count(server)).toBe(1);
  });
});

describe('a failure is an outcome', () => {
  test('nobody there', async () => {
    const server = await startMcpServer();
    await server.close();
    const { outcome, calls } = await run(callerFor({ wiki: server.url }), callWork(wiki, 'echo', { text: 'hi' }));
    expect(outcome).toEqual({
      error: { code: 'tool_unreachable', message: 'The tool could not be reached: ECONNREFUSED.' },
    });
    expect(calls).toMatchObject([{ status: null, errorCode: 'tool_unreachable' }]);
  });

  test.each([{}, { json: true }])('a connection that breaks in the middle of a call: %j', async (options) => {
    const server = await start(options);
    const caller = callerFor({ wiki: server.url });
    const { outcome } = await run(caller, callWork(wiki, 'crash', {}));
    expect(outcome).toMatchObject({ error: { code: 'tool_unreachable' } });
    expect(server.calls).toHaveLength(1);
    expect((await run(caller, callWork(wiki, 'echo', { text: 'on' }))).outcome).toEqual({ result: { output: 'on' } });
  });

  test('no answer in time: the server is told that nobody waits any more', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url }, { tool: { timeoutMs: 300 } });
    const { outcome } = await run(caller, callWork(wiki, 'sleep', { ms: 20_000 }));
    expect(outcome).toEqual({ error: { code: 'tool_timeout', message: 'The tool did not answer within 300 ms.' } });
    await eventually('it is told', async () => server.methods.includes('notifications/cancelled'));
    expect(server.calls[0]?.endedAt).toBeUndefined();
  });

  test('a process that stops gives the call up: it is nobody’s outcome', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url });
    const stopping = new AbortController();
    const running = caller.run(callWork(wiki, 'sleep', { ms: 20_000 }), delivery(), stopping.signal);
    await eventually('it is called', async () => server.calls.length === 1);
    stopping.abort(new Error('stopping'));
    await expect(running).rejects.toThrow('stopping');
  });

  test.each([
    [500, 'tool_http_error'],
    [302, 'tool_redirected'],
    [200, 'tool_invalid_answer'],
  ])('a server that answers %i to everything', async (status, code) => {
    const server = await start();
    server.refuseWith(status);
    const { outcome } = await run(callerFor({ wiki: server.url }), callWork(wiki, 'echo', { text: 'hi' }));
    expect(outcome).toMatchObject({ error: { code } });
  });

  test('a server that is not registered any more', async () => {
    const { outcome, calls } = await run(callerFor({}), callWork(wiki, 'echo', { text: 'hi' }));
    expect(outcome).toEqual({
      error: { code: 'tool_unavailable', message: "The tool 'wiki' is not registered any more." },
    });
    expect(calls).toEqual([]);
  });
});

describe('how often a call is made', () => {
  test('once, after it is known that it begins; a listing needs nobody to know', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url });
    const told = delivery();
    await caller.run(callWork(wiki, 'echo', { text: 'hi' }), told, never);
    expect(told.said).toEqual(['begin', { kind: 'tool', tool: 'wiki.echo' }]);
    const untold = delivery();
    await caller.run(listWork(wiki), untold, never);
    expect(untold.said).toEqual([{ kind: 'tool', tool: 'wiki.tools/list' }]);
    server.refuseWith(503);
    expect((await run(caller, callWork(wiki, 'echo', { text: 'hi' }))).calls).toHaveLength(1);
  });

  test.each([
    [false, 'close'],
    [true, 'keep-alive'],
  ])('over a connection that fits: idempotent: %j', async (idempotent, connection) => {
    const server = await start();
    const caller = callerFor({ wiki: server.url }, { tool: { idempotent } });
    await run(caller, callWork(wiki, 'echo', { text: 'hi' }));
    expect(new Set(server.requests.map((headers) => headers.connection))).toEqual(new Set([connection]));
  });

  test('not at all, when another process may have begun it', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url });
    const second = delivery({ attempt: 2, mayHaveBegun: async () => true });
    const { outcome } = await caller.run(callWork(wiki, 'echo', { text: 'hi' }), second, never);
    expect(outcome).toMatchObject({ error: { code: 'tool_interrupted' } });
    expect(server.requests).toEqual([]);
  });

  test('again, when that is safe and may help', async () => {
    const server = await start();
    const caller = callerFor({ wiki: server.url }, { tool: { idempotent: true } });
    await run(caller, callWork(wiki, 'echo', { text: 'hi' }));
    server.refuseWith(503);
    const { calls } = await run(caller, callWork(wiki, 'echo', { text: 'hi' }));
    expect(calls.map(({ status }) => status)).toEqual([503, 503, 503]);
  });
});
