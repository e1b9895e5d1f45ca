/**
 * Which tools a request may use, at whatever depth: those of its key's groups and of the model that is offered them, with the
 * functions and the MCP servers that the client brings along. Pure; decided once, and kept with the response.
 */
import type { McpServer, ServerTool } from '@tailrace/chain';
import { ApiError, type CreateResponseBody, type FunctionToolParam, type McpToolParam } from '@tailrace/protocol';
import type { RegisteredMcpTool, RegisteredTool, RegistryView } from '@tailrace/registry';
import { type Hiding, registeredServer, requestedServer } from './mcp-servers.ts';

/** See the file's head. */
export interface ToolScope {
  /** The client's own. */
  functions: FunctionToolParam[];
  /** What the model at the top is offered of the server's. */
  serverTools: ServerTool[];
  /** What only agents are offered. */
  innerTools: ServerTool[];
  servers: McpServer[];
}

/** What a scope is resolved with. */
export interface ScopeRules {
  groups: readonly string[];
  registry: RegistryView;
  /** The most model calls of an agent that has no bound of its own. */
  maxIterations: number;
  /** Whether there are registered tools at all. */
  registered: boolean;
  sealer: Hiding;
}

/**
 * Resolves the tools of a request.
 * @throws ApiError for a name that is the server's, or there twice, and for an MCP server that cannot be used so.
 */
export function toolScope(body: Pick<CreateResponseBody, 'model' | 'tools'>, rules: ScopeRules): ToolScope {
  const registered = rules.registered ? rules.registry.toolsFor(rules.groups, body.model) : [];
  const given = body.tools ?? [];
  const taken = takenNames(given, registered);
  const offered = registered.filter(({ name }) => !taken.has(name));
  const asked = given.flatMap((tool, index) =>
    tool.type === 'mcp' ? [mcpServer(tool, index, registered, rules)] : [],
  );
  const askedFor = new Set(asked.map(({ label }) => label));
  const unasked = offered.filter((tool) => tool.kind === 'mcp').filter(({ name }) => !askedFor.has(name));
  const top: Known = {
    tools: new Map(),
    servers: [...asked, ...unasked.map((tool) => registeredServer(tool, null, false))],
  };
  const inner = new Inner(top, rules);
  for (const tool of offered) {
    const made = tool.kind === 'mcp' ? null : inner.serverTool(tool);
    if (made) top.tools.set(tool.name, made);
  }
  inner.resolve();
  return {
    functions: given.filter((tool) => tool.type === 'function'),
    serverTools: [...top.tools.values()],
    innerTools: inner.tools,
    servers: top.servers,
  };
}

/** The names that the client takes for itself. */
function takenNames(
  given: NonNullable<CreateResponseBody['tools']>,
  registered: readonly RegisteredTool[],
): Set<string> {
  const byName = new Map(registered.map((tool) => [tool.name, tool]));
  const names = { function: new Set<string>(), mcp: new Set<string>() };
  const taken = new Set<string>();
  given.forEach((tool, index) => {
    const name = tool.type === 'mcp' ? tool.server_label : tool.name;
    const param = `tools[${index}].${tool.type === 'mcp' ? 'server_label' : 'name'}`;
    if (names[tool.type].has(name)) throw new ApiError('duplicate_tool_name', { name }, { param });
    names[tool.type].add(name);
    if (isRegisteredServer(tool)) return;
    if (byName.get(name)?.clientOverride === false) throw new ApiError('tool_name_taken', { name }, { param });
    taken.add(name);
  });
  return taken;
}

/** Without an address of its own, a server is one that the operator has registered under that name. */
function isRegisteredServer(tool: FunctionToolParam | McpToolParam): boolean {
  return tool.type === 'mcp' && (tool.server_url ?? null) === null;
}

function mcpServer(
  tool: McpToolParam,
  index: number,
  registered: readonly RegisteredTool[],
  rules: ScopeRules,
): McpServer {
  const param = `tools[${index}]`;
  if (!isRegisteredServer(tool)) return requestedServer(tool, param, rules.sealer);
  const found = registered.find(({ name }) => name === tool.server_label);
  if (found?.kind === 'mcp') return registeredServer(found, { tool, param }, false);
  throw new ApiError('mcp_server_not_found', { label: tool.server_label }, { param: `${param}.server_label` });
}

interface Known {
  tools: Map<string, ServerTool>;
  servers: McpServer[];
}

/** What agents use, and the agents among it use, and so on. */
class Inner {
  readonly #top: Known;
  readonly #rules: ScopeRules;
  readonly #open: RegisteredTool[] = [];
  readonly #named = new Set<string>();
  /** The labels of the servers of agents, by their registered names. */
  readonly #labels = new Map<string, string>();
  readonly tools: ServerTool[] = [];

  constructor(top: Known, rules: ScopeRules) {
    this.#top = top;
    this.#rules = rules;
  }

  /** The tool as the loop knows it; null for an agent without its model. */
  serverTool(tool: Exclude<RegisteredTool, RegisteredMcpTool>): ServerTool | null {
    const { name, description, parameters } = tool;
    if (tool.kind === 'http') return { name, description, parameters };
    const { registry, groups, maxIterations } = this.#rules;
    const model = registry.models.get(tool.model);
    if (!model) return null;
    const usable = registry.toolsFor(groups, tool.model).filter((each) => tool.tools.includes(each.name));
    const tools = usable
      .filter((each) => each.kind !== 'mcp')
      .filter((each) => each.kind !== 'agent' || registry.models.has(each.model));
    for (const each of tools) {
      if (!this.#named.has(each.name)) this.#open.push(each);
      this.#named.add(each.name);
    }
    return {
      name,
      description,
      parameters,
      agent: {
        model: tool.model,
        instructions: tool.instructions,
        tools: tools.map((each) => each.name),
        mcp_servers: usable.filter((each) => each.kind === 'mcp').map((each) => this.#labelOf(each)),
        max_iterations: tool.maxIterations ?? maxIterations,
        max_tool_calls: tool.maxToolCalls,
        context_window: model.contextWindow,
        timeout_ms: tool.timeoutMs,
      },
    };
  }

  /** Finds what the agents so far lead to, beyond what the model at the top is offered itself. */
  resolve(): void {
    for (let tool = this.#open.shift(); tool; tool = this.#open.shift()) {
      if (this.#top.tools.has(tool.name) || tool.kind === 'mcp') continue;
      const made = this.serverTool(tool);
      if (made) this.tools.push(made);
    }
  }

  /** A label that no other server has: a client may have given the name to a server of its own. */
  #labelOf(tool: RegisteredMcpTool): string {
    const known = this.#labels.get(tool.name);
    if (known !== undefined) return known;
    const { servers } = this.#top;
    const shared = servers.find(({ at }) => 'registered' in at && at.registered === tool.name);
    let label = shared?.label ?? tool.name;
    while (!shared && servers.some((each) => each.label === label)) label += '_';
    if (!shared) servers.push({ ...registeredServer(tool, null, true), label });
    this.#labels.set(tool.name, label);
    return label;
  }
}
