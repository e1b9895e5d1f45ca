/** What a request says of MCP servers. Pure. */
import type { McpServer } from './accepted.ts';
import type { McpTool } from './step.ts';

/** Tells whether two servers are at the same place, and of a place that a client has named nothing else. */
export function addressOf({ at }: McpServer): string {
  return 'registered' in at ? `registered:${at.registered}` : at.digest;
}

/** Whether a tool of the server may be called, approved or not. */
export function allows({ allowed_tools }: McpServer, name: string): boolean {
  return allowed_tools === null || allowed_tools.includes(name);
}

/** Whether a client has to approve each call of a tool. What a policy does not name, it does not exempt. */
export function needsApproval({ require_approval: policy }: McpServer, name: string): boolean {
  if (policy === 'never') return false;
  return policy === 'always' || policy.always.includes(name) || !policy.never.includes(name);
}

/** What a model is told of a tool. */
export function descriptionOf(server: McpServer, tool: McpTool): string | null {
  if (server.description === null) return tool.description;
  const origin = `${server.label}: ${server.description}`;
  return tool.description === null ? origin : `${tool.description}\n\n(${origin})`;
}
