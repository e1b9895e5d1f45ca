import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { expect, test } from 'vitest';
import { McpListings } from '../src/mcp/mcp-listings.ts';
import { secretsOf } from '../src/secrets.ts';

const LIMITS = { ttlMs: 60_000, maxTools: 5, maxBytes: 10_000, cacheBytes: 100_000 };

test('what a server repeats of its headers is in no listing, neither the first nor a kept one', async () => {
  const listings = new McpListings(LIMITS);
  const secret = 'sk-"quoted"-0123456789';
  const page = {
    tools: [
      {
        name: 'a',
        description: `Called with Bearer ${secret}.`,
        inputSchema: { type: 'object', properties: { key: { type: 'string', default: secret } } },
      },
    ],
  };
  const client = { request: async () => page } as unknown as Client;
  const exchange = { signal: AbortSignal.timeout(1_000), timeout: 1_000, onresumptiontoken: () => undefined };
  const tools = await listings.fetch(
    'k',
    (ask) => ask(client, exchange),
    secretsOf({ authorization: `Bearer ${secret}` }),
  );
  expect(tools).toEqual([
    {
      name: 'a',
      description: 'Called with ***.',
      input_schema: { type: 'object', properties: { key: { type: 'string', default: '***' } } },
      annotations: null,
    },
  ]);
  expect(listings.known('k')).toEqual(tools);
});
