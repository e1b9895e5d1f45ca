/** Steps for tests of tools, and what came of them. */
import type { CallTarget, ToolWork } from '@tailrace/bus';
import type { McpServer } from '@tailrace/chain';
import { type RegisteredTool, Sealer } from '@tailrace/registry';
import { ToolArguments } from '@tailrace/tool-arguments';
import { Circuits } from '../src/circuits.ts';
import { ToolCaller, type ToolCallerOptions, type ToolDelivery } from '../src/tool-caller.ts';

/** The trace that all steps belong to. */
export const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
/** The id of all steps. */
export const STEP_ID = '0190a1b2-c3d4-7000-8000-000000000001';
/** Seals what is secret of tools. */
export const sealer = new Sealer('a secret of these tests');
/** The identity of each call's row. */
export const CALL_ID = '0190a1b2-c3d4-7000-8000-00000000000c';

/** A step that calls a registered tool. */
export function toolWork(tool: string, text: string, change: Partial<ToolWork> = {}): ToolWork {
  return {
    kind: 'tool_call',
    responseId: '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b',
    stepId: STEP_ID,
    attempt: 1,
    handedOutAt: Date.now(),
    tool,
    arguments: text,
    parameters: null,
    mcp: null,
    takeover: false,
    correlationId: TRACE,
    ...change,
  };
}

/** Where a server is that a client has named, as a gateway seals it. */
export function requestedAt(url: string, headers: Record<string, string> = {}): McpServer['at'] {
  const sealed = Object.entries(headers).map(([name, value]) => [name, sealer.seal(value)]);
  return { url: sealer.seal(url), digest: '', shown: '', headers: Object.fromEntries(sealed) };
}

/** A server as a request is given it. */
export function mcpServer(at: McpServer['at'], change: Partial<McpServer> = {}): McpServer {
  const label = 'registered' in at ? at.registered : 'given';
  return { label, description: null, at, allowed_tools: null, require_approval: 'never', inner: false, ...change };
}

/** A step that lists the tools of a server. */
export function listWork(server: McpServer, change: Partial<ToolWork> = {}): ToolWork {
  const act = { do: 'list', server: server.label, at: '' } as const;
  return toolWork(server.label, '', { mcp: { act, server }, ...change });
}

/** A step that calls a tool of a server. */
export function callWork(server: McpServer, name: string, args: unknown, change: Partial<ToolWork> = {}): ToolWork {
  const act = { do: 'call', server: server.label, name, approval: null } as const;
  return toolWork(name, JSON.stringify(args), { mcp: { act, server }, ...change });
}

/** A delivery that remembers what was said of it. */
export function delivery(change: Partial<ToolDelivery> = {}): ToolDelivery & { said: (string | CallTarget)[] } {
  const said: (string | CallTarget)[] = [];
  return {
    said,
    attempt: 1,
    begin: async () => void said.push('begin'),
    hold: async () => undefined,
    mayHaveBegun: async () => false,
    announce: async (target) => {
      said.push(target);
      return { id: CALL_ID, startedAt: 0 };
    },
    ...change,
  };
}

/** What all kinds of tools have in common, with these ones. */
export function toolCaller(
  kinds: ToolCallerOptions['kinds'],
  tools: readonly RegisteredTool[],
  change: Partial<ToolCallerOptions> = {},
): ToolCaller {
  return new ToolCaller({
    kinds,
    registered: (name) => tools.find((tool) => tool.name === name),
    checks: new ToolArguments(),
    circuits: new Circuits({ failures: 100, openMs: 60_000 }),
    rates: { take: async () => undefined },
    attempts: 3,
    backoffMs: 10,
    circuitFailures: 100,
    errorChars: 8_000,
    onUnexpected: (error) => {
      throw error;
    },
    ...change,
  });
}

/** A signal that is never aborted. */
export const never = new AbortController().signal;
