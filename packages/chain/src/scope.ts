/** Scopes: the response's own loop, and the loops that agents run below the calls that opened them. Pure. */
import {
  type ErrorInfo,
  errorInfo,
  type ItemEvent,
  publicStepId,
  type StepId,
  type UnnumberedEvent,
} from '@tailrace/protocol';
import type { AcceptedRequest, Agent, McpServer, ServerTool } from './accepted.ts';
import { isScopeStep, type Scope, type Step, type ToolStep } from './step.ts';

/** How deep agents may call agents when nobody has said. */
const DEFAULT_MAX_DEPTH = 8;

/** What holds in one scope. */
export interface ScopeRules {
  /** Null in the response's own loop. */
  agent: Agent | null;
  /** 0 in the response's own loop. */
  depth: number;
  /** The registered name of the model that runs the scope. */
  model: string;
  instructions: string | null;
  /** What the server runs for it, agents among it. */
  tools: ServerTool[];
  servers: McpServer[];
  maxIterations: number;
  /** The most tool calls in the scope and below it; null for no bound of its own. */
  maxToolCalls: number | null;
  /** Tokens that the model's window holds, where the operator has said so. */
  contextWindow: number | null;
}

/** Where in a tree of agents a step stands. */
export interface AgentPlace {
  /** The call that opened the scope. */
  parentStepId: StepId;
  /** The agent's name. */
  name: string;
  /** 1 for an agent that the response's own model has called. */
  depth: number;
  /** Whether clients are shown what happens, as `tailrace.progress`. */
  shown: boolean;
}

/** The rules of a scope, which its steps obey from their first to their last. */
export function rulesOf(request: AcceptedRequest, chain: readonly Step[], scope: Scope): ScopeRules {
  const servers = request.mcp_servers ?? [];
  const opener = openerOf(chain, scope);
  if (opener === null) {
    const { body, server_tools: tools, max_iterations: maxIterations, context_window } = request;
    return {
      agent: null,
      depth: 0,
      model: body.model,
      instructions: body.instructions ?? null,
      tools,
      servers: servers.filter((server) => !server.inner),
      maxIterations,
      maxToolCalls: body.max_tool_calls ?? null,
      contextWindow: context_window ?? null,
    };
  }
  const { agent } = toolNamed(request, opener.request.tool);
  if (agent === undefined) throw new Error(`step ${opener.id} opens a scope, and ${opener.request.tool} is no agent`);
  return {
    agent,
    depth: pathOf(chain, scope).length - 1,
    model: agent.model,
    instructions: agent.instructions,
    tools: agent.tools.map((name) => toolNamed(request, name)),
    servers: servers.filter(({ label }) => agent.mcp_servers.includes(label)),
    maxIterations: agent.max_iterations,
    maxToolCalls: agent.max_tool_calls,
    contextWindow: agent.context_window,
  };
}

/** Milliseconds that the agent which a call has opened may take; null for as many as it likes, and for what is no agent's call. */
export function timeLimitOf(request: AcceptedRequest, step: Step): number | null {
  return isScopeStep(step) ? (toolNamed(request, step.request.tool).agent?.timeout_ms ?? null) : null;
}

/** What the call of an agent fails with when its time is up. */
export function timeoutOf(request: AcceptedRequest, chain: readonly Step[], scope: StepId): ErrorInfo {
  return errorInfo('tool_timeout', { ms: rulesOf(request, chain, scope).agent?.timeout_ms ?? 0 });
}

/** The scope, the one around it, and so on, to the response's own. */
export function pathOf(chain: readonly Step[], scope: Scope): Scope[] {
  const path: Scope[] = [scope];
  for (let at = scope; at !== null; path.push(at)) at = openerOf(chain, at)?.parentStepId ?? null;
  return path;
}

/** The steps of a scope and of all scopes that were opened below it, in their order. */
export function stepsBelow(chain: readonly Step[], scope: Scope): Step[] {
  const scopes = new Set([scope]);
  return chain
    .toSorted((a, b) => a.sequence - b.sequence)
    .filter((step) => {
      if (!scopes.has(step.parentStepId)) return false;
      scopes.add(step.id);
      return true;
    });
}

/** The call that opened a scope; null for the response's own. */
export function openerOf(chain: readonly Step[], scope: Scope): ToolStep | null {
  if (scope === null) return null;
  const opener = chain.find((step) => step.id === scope);
  if (opener === undefined || !isScopeStep(opener)) throw new Error(`step ${scope} opens no scope`);
  return opener;
}

/** A tool that the server runs, whoever is offered it. */
export function toolNamed({ server_tools, inner_tools = [] }: AcceptedRequest, name: string): ServerTool {
  // An agent's tool may have the name of a function of the client, and is then among the inner ones alone.
  const tool = server_tools.find((each) => each.name === name) ?? inner_tools.find((each) => each.name === name);
  if (tool === undefined) throw new Error(`the request has no tool ${name}`);
  return tool;
}

/** The deepest scope that may be opened. */
export function maxDepthOf({ max_depth }: AcceptedRequest): number {
  return max_depth ?? DEFAULT_MAX_DEPTH;
}

/** Whether clients are shown what happens inside agents. */
export function showsProgress({ body }: AcceptedRequest): boolean {
  return body.include?.includes('tailrace.progress') ?? false;
}

/** Where in the tree of agents a step stands; null for one of the response's own loop. */
export function agentPlaceOf(request: AcceptedRequest, chain: readonly Step[], step: Step): AgentPlace | null {
  const opener = openerOf(chain, step.parentStepId);
  if (opener === null) return null;
  return {
    parentStepId: opener.id,
    name: opener.request.tool,
    depth: pathOf(chain, opener.id).length - 1,
    shown: showsProgress(request),
  };
}

/**
 * What an agent's model is told first: the arguments of the call that opened the scope, or what they say where they are
 * nothing but an `input` in words.
 */
export function taskOf(opener: ToolStep): string {
  const text = opener.request.arguments;
  const { input, ...others } = objectIn(text);
  return typeof input === 'string' && Object.keys(others).length === 0 ? input : text;
}

function objectIn(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** An event of what happens in an agent's scope, as clients that want to see it are told of it. */
export function progressEvent(event: ItemEvent, step: StepId, place: AgentPlace): UnnumberedEvent {
  return {
    type: 'tailrace.progress',
    step_id: publicStepId(step),
    parent_step_id: publicStepId(place.parentStepId),
    agent: place.name,
    depth: place.depth,
    event,
  };
}

/** Tokens that the window of a scope's model holds; null where nobody has said. */
export function contextWindowOf(request: AcceptedRequest, chain: readonly Step[], scope: Scope): number | null {
  return rulesOf(request, chain, scope).contextWindow;
}
