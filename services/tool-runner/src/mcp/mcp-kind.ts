/** Tools of servers that speak the Model Context Protocol, whether the operator has registered them or a request names them. */
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, McpError } from '@modelcontextprotocol/sdk/types.js';
import type { McpServer, McpTool, ToolResult } from '@tailrace/chain';
import { type GuardedFetch, GuardedFetchError } from '@tailrace/guarded-fetch';
import { ApiError } from '@tailrace/protocol';
import type { Sealer } from '@tailrace/registry';
import { type Dispatcher, request } from 'undici';
import { type ConnectionLimits, Connections } from '../connections.ts';
import { blotOut } from '../secrets.ts';
import type { ToolCall, ToolKind } from '../tool-kind.ts';
import { BrokenOff } from './mcp-exchange.ts';
import { RefusedMessage, type Send } from './mcp-fetch.ts';
import { type McpListingLimits, McpListings } from './mcp-listings.ts';
import { mcpOutput } from './mcp-output.ts';
import { type ReachableServer, reachableServer, type Ways } from './mcp-server.ts';
import { type McpSessionLimits, McpSessions } from './mcp-sessions.ts';

/** Bounds of all calls of a process. */
export interface McpKindLimits extends ConnectionLimits {
  /** Milliseconds for one call of a server that a client has named. */
  timeoutMs: number;
  sessions: McpSessionLimits;
  listings: McpListingLimits;
}

interface Params {
  name: string;
  arguments: Record<string, unknown>;
}

/** Of what a library says of an answer that it could not read: it begins with what is wrong, and can go on for pages. */
const REASON_CHARS = 300;

/** The tools of kind `mcp`. Servers that clients name are reached through `guarded`. */
export function mcpKind(limits: McpKindLimits, sealer: Sealer, guarded: GuardedFetch): ToolKind {
  const connections = new Connections(limits);
  const ways: Ways = {
    registered: (tool) => directly(connections.for(tool)),
    requested: (url, message, signal) => guarded.open(url, message, signal),
    sealer,
    requestedTimeoutMs: limits.timeoutMs,
  };
  const sessions = new McpSessions(limits.sessions);
  const listings = new McpListings(limits.listings);

  /** The tools of a server, as far as the request may call them. */
  async function list(server: McpServer, at: ReachableServer, call: ToolCall): Promise<ToolResult> {
    const ask = <T>(request: Parameters<typeof sessions.ask<T>>[2]) => sessions.ask(at, call, request);
    const tools = await listings.fetch(at.listingKey, ask, at.secrets);
    return { output: '', tools: allowed(server, tools) };
  }

  async function callTool(params: Params, at: ReachableServer, call: ToolCall): Promise<ToolResult> {
    const result = await sessions.ask(at, call, (client, each) =>
      // Not the client's own method: that checks outputs against schemas of the server's.
      client.request({ method: 'tools/call', params }, CallToolResultSchema, each),
    );
    return { output: mcpOutput(result, at.secrets) };
  }

  return {
    target(work, registered) {
      const { mcp } = work;
      if (!mcp) return null;
      const { act: asked, server } = mcp;
      const at = reachableServer({ server, responseId: work.responseId }, registered, ways);
      if (asked.do !== 'list' && server.allowed_tools?.includes(asked.name) === false) {
        throw new ApiError('tool_not_found', { name: asked.name });
      }
      return {
        source: at.source,
        timeoutMs: at.timeoutMs,
        idempotent: asked.do === 'list' || at.idempotent,
        secrets: at.secrets,
        known() {
          const tools = asked.do === 'list' ? listings.known(at.listingKey) : undefined;
          return tools ? { output: '', tools: allowed(server, tools) } : null;
        },
        prepare: (checked) => async (call) => {
          try {
            if (asked.do === 'list') return await list(server, at, call);
            return await callTool({ name: asked.name, arguments: checked.value }, at, call);
          } catch (error) {
            if (call.signal.aborted) throw error;
            throw toApiError(error, at.secrets);
          }
        },
      };
    },
    async close() {
      await sessions.close();
      await connections.close();
      await guarded.close();
    },
  };
}

function allowed({ allowed_tools }: McpServer, tools: readonly McpTool[]): McpTool[] {
  return tools.filter(({ name }) => allowed_tools === null || allowed_tools.includes(name));
}

function directly(dispatcher: Dispatcher): Send {
  return async (url, { method, headers, body }, signal) => {
    const answer = await request(url, { dispatcher, method, headers, body, signal });
    const flat = Object.entries(answer.headers).map(([name, value]) => [name, [value].flat().join(', ')]);
    return { status: answer.statusCode, headers: Object.fromEntries(flat), body: answer.body };
  };
}

function toApiError(error: unknown, secrets: readonly string[]): ApiError {
  if (error instanceof ApiError) return error;
  const options = { cause: error };
  if (error instanceof RefusedMessage) {
    return new ApiError('tool_http_error', { status: error.status, body: error.body }, options);
  }
  if (error instanceof McpError) return new ApiError('tool_failed', { text: error.message }, options);
  if (error instanceof GuardedFetchError) {
    const forbidden = error.code === 'forbidden_address' || error.code === 'bad_url';
    return new ApiError(forbidden ? 'tool_forbidden_address' : 'tool_unreachable', { reason: error.message }, options);
  }
  if (error instanceof StreamableHTTPError && (error.code ?? 0) >= 300)
    return new ApiError('tool_redirected', {}, options);
  if (error instanceof BrokenOff) return new ApiError('tool_unreachable', { reason: error.message }, options);
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (typeof code === 'string') return new ApiError('tool_unreachable', { reason: code }, options);
  if (error instanceof DOMException)
    return new ApiError('tool_unreachable', { reason: 'there was no session in time' }, options);
  // What is left is what the SDK could not read. Of JSON it would show a piece, perhaps of a secret.
  if (error instanceof SyntaxError) return new ApiError('tool_invalid_answer', { reason: 'it is not JSON' }, options);
  const reason = error instanceof Error ? error.message : String(error);
  return new ApiError('tool_invalid_answer', { reason: blotOut(reason, secrets).slice(0, REASON_CHARS) }, options);
}
