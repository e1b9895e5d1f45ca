/** What the models of a world are offered: tools, agents that call each other, and MCP servers. */
import fc from 'fast-check';
import type { AcceptedRequest, Agent, ApprovalPolicy, McpMemory, McpServer, McpTool } from '../src/index.ts';

/** The function that the client of every world offers. */
export const CLIENT_TOOL = 'client_function';
/** The tools that the server of every world runs. */
export const SERVER_TOOLS = ['search', 'weather'];
/** Its agents. The first two are offered to the response's own model; every one calls the others, and itself. */
export const AGENTS = ['planner', 'researcher', 'critic'];
/** The names under which tools of MCP servers may be offered, of which `search` is taken. */
export const MCP_NAMES = ['docs__search', 'fetch', 'wiki__fetch', 'look_up', 'open'];

/** What each server can do, by its label. */
export const MCP_TOOLS: Readonly<Record<string, string[]>> = {
  docs: ['search', 'fetch', 'drop'],
  wiki: ['fetch', 'look.up'],
  vault: ['open'],
};

/** What a world offers, beside what every one does. */
export interface Offers {
  docs: { policy: ApprovalPolicy; approved: ('fetch' | 'drop')[]; remembered: boolean } | null;
  wiki: boolean;
  /** A server that only agents use. */
  vault: ApprovalPolicy | null;
  maxDepth: number;
  /** Of agents. */
  maxIterations: number;
  maxToolCalls: number | null;
  /** Of agents, in milliseconds: a world's entries are 700 apart. */
  timeoutMs: number | null;
}

const policies: fc.Arbitrary<ApprovalPolicy> = fc.constantFrom<ApprovalPolicy>(
  'always',
  'never',
  'never',
  { always: ['fetch'], never: ['search'] },
  { always: [], never: ['fetch', 'open'] },
);

/** Any offers. */
export const offers: fc.Arbitrary<Offers> = fc.record({
  docs: fc.option(
    fc.record({
      policy: policies,
      approved: fc.uniqueArray(fc.constantFrom('fetch' as const, 'drop' as const)),
      remembered: fc.boolean(),
    }),
  ),
  wiki: fc.boolean(),
  vault: fc.option(policies),
  maxDepth: fc.nat(4),
  maxIterations: fc.integer({ min: 1, max: 3 }),
  maxToolCalls: fc.option(fc.integer({ min: 1, max: 4 })),
  timeoutMs: fc.option(fc.integer({ min: 1_000, max: 9_000 }), { freq: 2 }),
});

/** A tool of an MCP server. */
export const mcpTool = (name: string): McpTool => ({
  name,
  description: null,
  input_schema: { type: 'object' },
  annotations: null,
});

/** The part of a request that says what is offered. */
export function offered(
  given: Offers,
): Pick<AcceptedRequest, 'server_tools' | 'inner_tools' | 'mcp_servers' | 'max_depth'> & { mcp_memory?: McpMemory } {
  const agent: Agent = {
    model: 'inner',
    instructions: 'Help.',
    tools: ['weather', ...AGENTS],
    mcp_servers: ['docs', 'wiki', 'vault'],
    max_iterations: given.maxIterations,
    max_tool_calls: given.maxToolCalls,
    context_window: null,
    timeout_ms: given.timeoutMs,
  };
  const tool = (name: string) => ({
    name,
    description: null,
    parameters: null,
    ...(AGENTS.includes(name) ? { agent } : {}),
  });
  const { docs, wiki, vault } = given;
  const servers: McpServer[] = [];
  const server = { description: null, allowed_tools: null, inner: false };
  if (docs) {
    const at = { url: 'sealed', digest: 'docs', shown: 'https://docs.example/<redacted>', headers: {} };
    servers.push({ ...server, label: 'docs', at, allowed_tools: ['search', 'fetch'], require_approval: docs.policy });
  }
  if (wiki) servers.push({ ...server, label: 'wiki', at: { registered: 'wiki' }, require_approval: 'never' });
  if (vault) {
    servers.push({ ...server, label: 'vault', at: { registered: 'vault' }, require_approval: vault, inner: true });
  }
  const memory: McpMemory = {
    lists: docs?.remembered ? [{ server: 'docs', tools: (MCP_TOOLS.docs ?? []).map(mcpTool) }] : [],
    approved: (docs?.approved ?? []).map((name) => {
      return { approval: `mcpr_${name}`, server: 'docs', name, arguments: '{}' };
    }),
  };
  return {
    server_tools: [...SERVER_TOOLS, 'planner', 'researcher'].map(tool),
    inner_tools: [tool('critic')],
    mcp_servers: servers,
    max_depth: given.maxDepth,
    ...(memory.lists.length + memory.approved.length > 0 ? { mcp_memory: memory } : {}),
  };
}
