/** What an MCP server has answered, as a text for a model. Pure. */
import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js';
import type { McpTool } from '@tailrace/chain';
import { ApiError } from '@tailrace/protocol';

const ERROR_CHARS = 8_000;

/**
 * Texts as they are; images, sounds and resources as JSON with their `type`, each on a line of its own. Where there is no
 * text, what the tool has answered as data comes first.
 * @throws ApiError `tool_failed`, with the tool's own words
 */
export function mcpOutput({ content, structuredContent, isError }: CallToolResult): string {
  const parts = content.map((part) => (part.type === 'text' ? part.text : JSON.stringify(part)));
  const wordless = structuredContent !== undefined && content.every((part) => part.type !== 'text');
  const output = [...(wordless ? [JSON.stringify(structuredContent)] : []), ...parts].join('\n');
  if (isError) throw new ApiError('tool_failed', { text: output.slice(0, ERROR_CHARS) });
  return output;
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
