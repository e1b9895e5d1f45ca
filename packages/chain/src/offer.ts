/** What the model of a scope is offered, under the names that it calls. Pure. */
import type { FunctionToolParam } from '@tailrace/protocol';
import type { AcceptedRequest, Agent, McpServer, ServerTool } from './accepted.ts';
import { allows } from './mcp-server.ts';
import { rulesOf, toolNamed } from './scope.ts';
import { type McpTool, type Scope, type Step, stepsOf } from './step.ts';

/** Something that a model may call, and who answers. */
export type Offered =
  | { by: 'client'; tool: FunctionToolParam }
  | { by: 'server'; tool: ServerTool }
  | { by: 'agent'; tool: ServerTool; agent: Agent }
  | { by: 'mcp'; tool: McpTool; server: McpServer };

/** What the model of a scope is offered: in its last call, or in its first if there has been none. */
export function offerOf(request: AcceptedRequest, chain: readonly Step[], scope: Scope): Map<string, Offered> {
  const rules = rulesOf(request, chain, scope);
  const offer = new Map<string, Offered>();
  if (scope === null) for (const tool of request.body.tools ?? []) offer.set(tool.name, { by: 'client', tool });
  for (const tool of rules.tools) {
    const { agent } = tool;
    offer.set(tool.name, agent ? { by: 'agent', tool, agent } : { by: 'server', tool });
  }
  const call = stepsOf(chain, scope).findLast((step) => step.kind === 'model_call');
  const entry = call?.addedEntry ?? Number.POSITIVE_INFINITY;
  for (const server of rules.servers) {
    for (const tool of knownTools(request, chain, server.label, entry) ?? []) {
      if (!allows(server, tool.name)) continue;
      offer.set(freeName(offer, server.label, tool.name), { by: 'mcp', tool, server });
    }
  }
  return offer;
}

/**
 * What a server has said that it can do, up to a journal entry; null when nobody has asked it. Whoever asks for an entry
 * of the past gets the same answer for ever.
 */
export function knownTools(
  { mcp_memory }: AcceptedRequest,
  chain: readonly Step[],
  label: string,
  entry: number,
): readonly McpTool[] | null {
  const remembered = mcp_memory?.lists.find((list) => list.server === label);
  if (remembered) return remembered.tools;
  const lists = chain.flatMap((step) => {
    if (step.kind !== 'tool_call' || step.outcome.state !== 'completed' || step.endedEntry === null) return [];
    const { mcp } = step.request;
    if (mcp?.do !== 'list' || mcp.server !== label || step.endedEntry > entry) return [];
    return [{ entry: step.endedEntry, tools: step.outcome.result.tools ?? [] }];
  });
  return (
    lists.reduce<(typeof lists)[number] | null>(
      (first, list) => (first === null || list.entry < first.entry ? list : first),
      null,
    )?.tools ?? null
  );
}

/** The names of the tools whose calls are not shown as function calls: an item of their own follows. */
export function heldBackTools(request: AcceptedRequest, chain: readonly Step[], scope: Scope): string[] {
  return [...offerOf(request, chain, scope)].flatMap(([name, { by }]) => (by === 'mcp' ? [name] : []));
}

/** The server that a step asks; null for a step that asks none. */
export function mcpServerOf(request: AcceptedRequest, _chain: readonly Step[], step: Step): McpServer | null {
  if (step.kind === 'model_call' || step.request.mcp === undefined) return null;
  return serverLabelled(request, step.request.mcp.server);
}

/** The server of that label. */
export function serverLabelled({ mcp_servers = [] }: AcceptedRequest, label: string): McpServer {
  const server = mcp_servers.find((each) => each.label === label);
  if (server === undefined) throw new Error(`the request has no MCP server ${label}`);
  return server;
}

/** JSON schema of what a tool step is called with; null where there is none, or the step takes no arguments. */
export function parametersOf(
  request: AcceptedRequest,
  chain: readonly Step[],
  step: Step,
): Record<string, unknown> | null {
  if (step.kind === 'model_call') return null;
  const { mcp, tool } = step.request;
  if (mcp === undefined) return parametersOfTool(toolNamed(request, tool));
  switch (mcp.do) {
    case 'list':
      return null;
    case 'call':
    case 'ask':
      return (
        knownTools(request, chain, mcp.server, step.addedEntry)?.find(({ name }) => name === mcp.name)?.input_schema ??
        null
      );
  }
}

/** What an agent takes when the operator has not said otherwise: a task, in words. */
const TASK: Record<string, unknown> = {
  type: 'object',
  properties: { input: { type: 'string' } },
  required: ['input'],
  additionalProperties: false,
};

/** JSON schema of a tool's arguments; null where nobody has given one. */
export function parametersOfTool({ parameters, agent }: ServerTool): Record<string, unknown> | null {
  return parameters ?? (agent ? TASK : null);
}

/** The most characters of a name that models call. */
const NAME_CHARS = 64;

/** A name in the letters that models can call. */
export function callableName(name: string): string {
  return name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, NAME_CHARS) || '_';
}

/** The tool's own name; where it is taken, one with the server's label before it. */
function freeName(taken: ReadonlyMap<string, Offered>, label: string, name: string): string {
  const own = callableName(name);
  if (!taken.has(own)) return own;
  const full = callableName(`${label}__${name}`);
  for (let count = 1; ; count += 1) {
    const suffix = count === 1 ? '' : `_${count}`;
    const free = `${full.slice(0, NAME_CHARS - suffix.length)}${suffix}`;
    if (!taken.has(free)) return free;
  }
}
