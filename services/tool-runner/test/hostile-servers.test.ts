/** MCP servers that a request names, at addresses that it must not reach. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GuardedFetch, type LookupAll } from '@tailrace/guarded-fetch';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hostileTargets } from '../../../test/harness/hostile-targets.ts';
import { startMcpServer } from '../../../test/harness/mcp-server.ts';
import { mcpKind } from '../src/mcp/mcp-kind.ts';
import { callWork, delivery, listWork, mcpServer, never, requestedAt, sealer, toolCaller } from './steps.ts';

/** Somebody on this machine whom nobody shall reach. */
let canary: Server;
let connections = 0;
let port: number;

beforeAll(async () => {
  canary = createServer((_, response) => response.end('secret'));
  canary.on('connection', () => {
    connections += 1;
  });
  canary.listen(0);
  await once(canary, 'listening');
  port = (canary.address() as AddressInfo).port;
});
beforeEach(() => {
  connections = 0;
});
afterAll(() => new Promise((resolve) => canary.close(resolve)));

/** What comes of a call of a server at `url`. */
async function callAt(url: string, { allow = [], lookup }: { allow?: string[]; lookup?: LookupAll } = {}) {
  const bounds = { connectMs: 2_000, totalMs: 5_000, maxBytes: 10_000, maxRedirects: 0 };
  const guarded = new GuardedFetch({ ...bounds, allow, ...(lookup ? { lookup } : {}) });
  const kind = mcpKind(
    {
      timeoutMs: 5_000,
      connectMs: 1_000,
      maxHeaderBytes: 16_384,
      connections: 8,
      sessions: { sessions: 4, idleMs: 60_000, connectMs: 5_000, maxBytes: 20_000 },
      listings: { ttlMs: 60_000, maxTools: 20, maxBytes: 10_000, cacheBytes: 100_000 },
    },
    sealer,
    guarded,
  );
  const caller = toolCaller([kind], []);
  const given = mcpServer(requestedAt(url));
  try {
    return {
      listed: (await caller.run(listWork(given), delivery(), never)).outcome,
      called: (await caller.run(callWork(given, 'echo', { text: 'hi' }), delivery(), never)).outcome,
    };
  } finally {
    await caller.close();
  }
}

const TARGETS = hostileTargets(1);

test('the table is as long as it should be', () => {
  expect(TARGETS.length).toBeGreaterThanOrEqual(40);
});

test.each(TARGETS.map(([name], index) => [name, index] as const))('%s', async (_, index) => {
  const { listed, called } = await callAt(hostileTargets(port)[index]?.[1] ?? '');
  const forbidden = { error: { code: 'tool_forbidden_address' } };
  expect(listed).toMatchObject(forbidden);
  expect(called).toMatchObject(forbidden);
  expect(connections).toBe(0);
});

describe('a name', () => {
  const at = (...addresses: string[]): LookupAll => {
    return () => Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  };

  test.each([['127.0.0.1'], ['10.0.0.1'], ['::1'], ['::ffff:127.0.0.1'], ['93.184.216.34', '127.0.0.1']])(
    'that stands for %s',
    async (...addresses) => {
      const { called } = await callAt(`http://mcp.example.com:${port}/`, { lookup: at(...addresses) });
      expect(called).toMatchObject({ error: { code: 'tool_forbidden_address' } });
      expect(JSON.stringify(called)).not.toContain(addresses.at(-1));
      expect(connections).toBe(0);
    },
  );

  test('that changes its mind between two messages', async () => {
    const server = await startMcpServer();
    const answers = ['127.0.0.1', '127.0.0.2'];
    const lookup: LookupAll = () => Promise.resolve([{ address: answers.shift() ?? '127.0.0.2', family: 4 }]);
    const url = server.url.replace('127.0.0.1', 'rebind.example.com');
    const { listed } = await callAt(url, { allow: ['127.0.0.1'], lookup });
    expect(listed).toMatchObject({ error: { code: 'tool_forbidden_address' } });
    expect(server.requests).toHaveLength(1);
    await server.close();
  });
});

test.each([301, 302, 303, 307, 308])(
  'a redirect (%i) from an allowed server is not followed elsewhere',
  async (status) => {
    const redirecting = createServer((_, response) => {
      response.writeHead(status, { location: `http://127.0.0.1:${port}/` }).end();
    });
    redirecting.listen(0, '127.0.0.9');
    await once(redirecting, 'listening');
    const url = `http://127.0.0.9:${(redirecting.address() as AddressInfo).port}/mcp`;
    const { called, listed } = await callAt(url, { allow: ['127.0.0.9', '127.0.0.1'] });
    expect([called, listed]).toMatchObject([
      { error: { code: 'tool_redirected' } },
      { error: { code: 'tool_redirected' } },
    ]);
    expect(connections).toBe(0);
    redirecting.closeAllConnections();
    await new Promise((resolve) => redirecting.close(resolve));
  },
);

test('what the operator allows is reached, and nothing beside it', async () => {
  const server = await startMcpServer({ host: '127.0.0.9' });
  expect((await callAt(server.url, { allow: ['127.0.0.9'] })).called).toEqual({ result: { output: 'hi' } });
  expect((await callAt(server.url, { allow: ['127.0.0.8/32'] })).called).toMatchObject({
    error: { code: 'tool_forbidden_address' },
  });
  const byName: LookupAll = () => Promise.resolve([{ address: '127.0.0.9', family: 4 }]);
  const named = server.url.replace('127.0.0.9', 'mcp.internal');
  expect((await callAt(named, { allow: ['mcp.internal'], lookup: byName })).called).toEqual({
    result: { output: 'hi' },
  });
  await server.close();
});
