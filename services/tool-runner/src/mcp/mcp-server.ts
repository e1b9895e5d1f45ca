/** The MCP server that a step asks, with everything that is needed to reach it. */
import { createHash } from 'node:crypto';
import type { ToolWork } from '@tailrace/bus';
import { ApiError } from '@tailrace/protocol';
import type { RegisteredTool, Sealer } from '@tailrace/registry';
import { openHeaders, openSecret } from '../open-headers.ts';
import { secretsOf } from '../secrets.ts';
import type { ToolSource } from '../tool-kind.ts';
import type { Send } from './mcp-fetch.ts';

/** See the file's head. */
export interface ReachableServer {
  url: string;
  headers: Record<string, string>;
  /** What must not be shown of all this. */
  secrets: readonly string[];
  /** How requests get there: what a client has named is reached with care. */
  send: Send;
  /** What may share a session. */
  sessionKey: string;
  /** What may share a listing: the same server, asked with the same credentials. */
  listingKey: string;
  source: ToolSource;
  timeoutMs: number;
  /** Whether calls of its tools may be repeated. */
  idempotent: boolean;
}

/** The ways to a server. */
export interface Ways {
  /** To where the operator said; not the same for what may be sent again and what may not. */
  registered(tool: { idempotent: boolean }): Send;
  /** To where a client said. */
  requested: Send;
  sealer: Sealer;
  /** Milliseconds for one call of a server that a client has named. */
  requestedTimeoutMs: number;
}

/**
 * Finds the server of a step.
 * @throws ApiError `tool_unavailable`, `secret_unreadable`
 */
export function reachableServer(
  { server, responseId }: { server: NonNullable<ToolWork['mcp']>['server']; responseId: string },
  registered: RegisteredTool | undefined,
  ways: Ways,
): ReachableServer {
  if ('registered' in server.at) {
    if (registered?.kind !== 'mcp') throw new ApiError('tool_unavailable', { name: server.at.registered });
    const headers = openHeaders(registered.headers, registered.name, ways.sealer);
    const key = digest([registered.name, registered.url, headers, registered.idempotent]);
    return {
      url: registered.url,
      headers,
      secrets: secretsOf(headers),
      send: ways.registered(registered),
      sessionKey: key,
      listingKey: key,
      source: { id: registered.name, callsPerMinute: registered.callsPerMinute },
      timeoutMs: registered.timeoutMs,
      idempotent: registered.idempotent,
    };
  }
  const headers = openHeaders(server.at.headers, server.label, ways.sealer);
  const url = openSecret(server.at.url, server.label, ways.sealer);
  const key = digest([url, headers]);
  return {
    url,
    headers,
    secrets: secretsOf(headers, url),
    send: ways.requested,
    // A server may remember things in a session: no other response shall find them there.
    sessionKey: digest([key, responseId]),
    listingKey: key,
    // What one client does to a server is not held against it when another one asks, with other credentials.
    source: { id: `requested:${key}`, callsPerMinute: null },
    timeoutMs: ways.requestedTimeoutMs,
    idempotent: false,
  };
}

/** Keys outlive calls, so they hold no secret. */
function digest(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}
