/** What an MCP server has answered, as a text for a model. Pure. */
import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js';
import type { McpTool } from '@tailrace/chain';
import { ApiError } from '@tailrace/protocol';
import { blotOutBytes } from '../secrets.ts';

/**
 * Texts as they are; images, sounds and resources as JSON with their `type`, each on a line of its own. Where there is no
 * text, what the tool has answered as data comes first. What is base64 has bytes without the secrets: nobody would find them
 * there.
 * @throws ApiError `tool_failed`, with the tool's own words
 */
export function mcpOutput({ content, structuredContent, isError }: CallToolResult, secrets: readonly string[]): string {
  const parts = content.map((part) => shown(part, secrets));
  const wordless = structuredContent !== undefined && content.every((part) => part.type !== 'text');
  const output = [...(wordless ? [JSON.stringify(structuredContent)] : []), ...parts].join('\n');
  if (isError) throw new ApiError('tool_failed', { text: output });
  return output;
}

function shown(part: CallToolResult['content'][number], secrets: readonly string[]): string {
  switch (part.type) {
    case 'text':
      return part.text;
    case 'image':
    case 'audio':
      return JSON.stringify({ ...part, data: bare(part.data, secrets) });
    case 'resource': {
      const { resource } = part;
      if (!('blob' in resource)) return JSON.stringify(part);
      return JSON.stringify({ ...part, resource: { ...resource, blob: bare(resource.blob, secrets) } });
    }
    case 'resource_link':
      return JSON.stringify(part);
  }
}

/** Base64 without the secrets; as the server wrote it, where there are none. */
function bare(base64: string, secrets: readonly string[]): string {
  const bytes = Buffer.from(base64, 'base64');
  const hidden = blotOutBytes(bytes, secrets);
  return hidden === bytes ? base64 : hidden.toString('base64');
}

/** A tool of a server, as the loop knows it. */
export function mcpTool({ name, description, inputSchema, annotations }: Tool): McpTool {
  return {
    name,
    description: description ?? null,
    input_schema: inputSchema,
    annotations: annotations ? { ...annotations } : null,
  };
}
