/** Addresses that requests name (MCP servers, files), through the whole stack: what they must not reach, they do not. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hostileTargets } from '../harness/hostile-targets.ts';
import { startMcpServer, type TestMcpServer } from '../harness/mcp-server.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

let stack: TestStack;
let allowed: TestMcpServer;
/** Somebody on this machine whom nobody shall reach. */
let canary: Server;
let targets: [name: string, url: string][];
const reached: string[] = [];

beforeAll(async () => {
  canary = createServer((request, response) => {
    reached.push(request.url ?? '');
    response.end('secret');
  });
  canary.listen(0);
  await once(canary, 'listening');
  targets = hostileTargets((canary.address() as AddressInfo).port);
  allowed = await startMcpServer({ host: '127.0.0.9' });
  stack = await testStack({ env: { FETCH_ALLOW: '127.0.0.9, files.internal' } });
});
afterAll(async () => {
  await stack.stop();
  await allowed.close();
  canary.closeAllConnections();
  await new Promise((resolve) => canary.close(resolve));
});

test('MCP servers: none of them is asked, the one that the operator allows is', async () => {
  const server = (server_label: string, server_url: string) =>
    ({ type: 'mcp', server_label, server_url, require_approval: 'never' }) as const;
  // What does not even look like an address is refused before anything is made.
  const readable = targets.filter(([, url]) => /^https?:\/\//.test(url));
  expect(readable.length).toBeGreaterThanOrEqual(40);
  const tools = [...readable.map(([, url], n) => server(`hostile_${n}`, url)), server('allowed', allowed.url)];
  const { text } = script('!call echo {"text":"hi"}', '!turn', '!say Done.');
  const response = await stack.openai().responses.create({ model: 'demo', input: text, tools });
  expect(response.output_text).toBe('Done.');
  const lists = response.output.flatMap((item) => (item.type === 'mcp_list_tools' ? [item] : []));
  expect(lists).toHaveLength(tools.length);
  for (const list of lists) {
    if (list.server_label === 'allowed') expect(list.tools.length).toBeGreaterThan(0);
    else
      expect({ label: list.server_label, error: JSON.stringify(list.error) }).toMatchObject({
        error: expect.stringContaining('not at an address that may be reached'),
      });
  }
  expect(allowed.calls).toHaveLength(1);
  expect(reached).toEqual([]);
});

test('files: none of them is fetched, the one that the operator allows is', async () => {
  const fetchFile = (file_url: string) =>
    stack.fetch('/v1/responses', {
      method: 'POST',
      body: JSON.stringify({
        model: 'demo',
        input: [{ role: 'user', content: [{ type: 'input_file', filename: 'a.txt', file_url }] }],
      }),
    });
  for (const [name, url] of targets) {
    const answer = await fetchFile(url);
    const { error } = (await answer.json()) as { error: { code: string; message: string } };
    expect({ name, status: answer.status, code: error.code }).toEqual({ name, status: 400, code: 'file_unreadable' });
    expect(error.message).not.toContain('secret');
  }
  expect(reached).toEqual([]);
  // It answers, but with no file: that it was asked is what counts.
  await fetchFile(allowed.url);
  expect(allowed.requests.length).toBeGreaterThan(1);
});

test('images are not fetched at all: the model server is told where they are', async () => {
  const [, image_url = ''] = targets[0] ?? [];
  const { text } = script('!say Seen.');
  const response = await stack.openai().responses.create({
    model: 'demo',
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_text', text },
          { type: 'input_image', image_url, detail: 'auto' },
        ],
      },
    ],
  });
  expect(response.output_text).toBe('Seen.');
  expect(reached).toEqual([]);
});
