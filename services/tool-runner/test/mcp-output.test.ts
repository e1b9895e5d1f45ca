import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { expect, test } from 'vitest';
import { mcpOutput } from '../src/mcp/mcp-output.ts';

const SECRET = 'session-0123456789';
const base64 = (text: string) => Buffer.from(text).toString('base64');

test.each<[CallToolResult['content'][number], string]>([
  [{ type: 'image', data: base64(SECRET), mimeType: 'image/png' }, 'data'],
  [{ type: 'audio', data: base64(SECRET), mimeType: 'audio/wav' }, 'data'],
  [{ type: 'resource', resource: { uri: 'a:b', blob: base64(SECRET) } }, 'blob'],
])('bytes that repeat a secret do not any more: %j', (part, field) => {
  const output = mcpOutput({ content: [part] }, [SECRET]);
  expect(output).toBe(JSON.stringify(part).replace(base64(SECRET), base64('*'.repeat(SECRET.length))));
  expect(output).toContain(`"${field}":"${base64('*'.repeat(SECRET.length))}"`);
});

test('others are left as the server has written them', () => {
  const part = { type: 'image', data: 'aGl=', mimeType: 'image/png' } as const;
  expect(mcpOutput({ content: [part] }, [SECRET])).toBe(JSON.stringify(part));
});

test('resources that are text, and links, are JSON', () => {
  const text = { type: 'resource', resource: { uri: 'a:b', text: 'said' } } as const;
  const link = { type: 'resource_link', uri: 'a:b', name: 'b' } as const;
  expect(mcpOutput({ content: [text, link] }, [SECRET])).toBe(`${JSON.stringify(text)}\n${JSON.stringify(link)}`);
});
