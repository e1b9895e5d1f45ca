/** Scripts that make the demo model call agents, whose own models are told scripts again. */
import type { Random } from './random.ts';

/** What a script of agents is made with. */
export interface AgentScript {
  random: Random;
  /** What an agent is told begins with it, too: a space and the agent's place in the tree follow. */
  marker: string;
  /** A line that calls a tool. */
  call(more: Record<string, unknown>): string;
  /** A line that calls a tool of the MCP server. */
  mcpCall(): string;
}

/** The agents that there are, the outermost first. Whom the registry lets call whom: `faults/registry.ts`. */
const LEVELS = ['researcher', 'analyst', 'reader'] as const;

/** The lines of a response that calls one or two agents, two or three levels deep, several of them at once. */
export function agentLines(script: AgentScript): string[] {
  const { random } = script;
  const depth = random.integer(2, LEVELS.length);
  const calls = Array.from({ length: random.integer(1, 2) }, (_, index) => ask(script, 0, depth, `${index}`));
  const beside = random.chance(0.5) ? [script.call({ _ms: random.integer(0, 200) })] : [];
  return [...calls, ...beside, '!turn', `!text ${random.integer(1, 20)} 5`];
}

/** A line that calls the agent of a level, with all that happens in it. */
function ask(script: AgentScript, level: number, depth: number, path: string): string {
  const { random, marker } = script;
  const isInnermost = level === depth - 1;
  const withMcp = isInnermost && level === 2 && random.chance(0.5);
  const lines = isInnermost ? work(script, withMcp) : delegation(script, level, depth, path);
  const input = [`${marker} ${path}`, ...lines].join('\n');
  return `!call ${withMcp ? 'librarian' : LEVELS[level]} ${JSON.stringify({ input })}`;
}

function delegation(script: AgentScript, level: number, depth: number, path: string): string[] {
  const { random } = script;
  const calls = Array.from({ length: random.integer(1, 2) }, (_, index) =>
    ask(script, level + 1, depth, `${path}.${index}`),
  );
  const beside = random.chance(0.3) ? [script.call({ _ms: random.integer(0, 300) })] : [];
  return [`!text ${random.integer(1, 10)} 3`, ...calls, ...beside, '!turn', `!text ${random.integer(1, 20)} 3`];
}

function work({ random, call, mcpCall }: AgentScript, withMcp: boolean): string[] {
  // An agent whose model refuses is a call that has failed.
  if (random.chance(0.08)) return ['!error 400 It was asked for.'];
  const trouble = random.chance(0.15) ? [`!cut ${random.integer(0, 5)} times=1`] : [];
  const tools = Array.from({ length: random.integer(0, 2) }, () =>
    withMcp ? mcpCall() : call({ _ms: random.integer(0, 300) }),
  );
  const said = `!text ${random.integer(1, 40)} ${random.integer(0, 15)}`;
  return tools.length === 0 ? [...trouble, said] : [...trouble, '!reasoning 2 2', ...tools, '!turn', said];
}
