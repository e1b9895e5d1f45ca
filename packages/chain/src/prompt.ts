/**
 * What a model is told: the conversation that a chain and the turns before it amount to, in the terms of Open Responses.
 * Pure, and free of any upstream's dialect.
 */
import type { TextFormat, ToolChoice } from '@tailrace/protocol';
import type { AcceptedRequest } from './accepted.ts';
import { descriptionOf } from './mcp-server.ts';
import { outputTokensLeft } from './next-action.ts';
import { type Offered, offerOf, parametersOfTool } from './offer.ts';
import { agentItems, type OpenCompaction, type PromptItem, promptItems, type Turn } from './prompt-items.ts';
import { rulesOf } from './scope.ts';
import { type Scope, type Step, stepsOf } from './step.ts';

/** A tool that a model may call. */
export interface PromptTool {
  name: string;
  description: string | null;
  parameters: Record<string, unknown> | null;
  strict: boolean | null;
}

/** One request to a model. Null stands for what nobody has asked for: the upstream's own default. */
export interface Prompt {
  instructions: string | null;
  items: PromptItem[];
  tools: PromptTool[];
  /** A name stands for that one function. */
  tool_choice: 'auto' | 'none' | 'required' | { name: string } | null;
  /** The names of the tools that may be called; null for every one. What else a model calls does not count. */
  permitted: string[] | null;
  parallel_tool_calls: boolean | null;
  max_output_tokens: number | null;
  temperature: number | null;
  top_p: number | null;
  presence_penalty: number | null;
  frequency_penalty: number | null;
  /** How many alternatives of each token are asked for, beside its own probability; null when none of it is. */
  top_logprobs: number | null;
  format: TextFormat | null;
  verbosity: string | null;
  effort: string | null;
  /** The kind of summary that is wanted of the reasoning; null for the reasoning itself. */
  summary: string | null;
  /** Whether reasoning is handed out in a form that the client can carry and not read. */
  encrypted_reasoning: boolean;
  /** Whether deltas are padded. */
  obfuscate: boolean;
  service_tier: string | null;
  prompt_cache_key: string | null;
  safety_identifier: string | null;
  user: string | null;
}

/**
 * The request of the next model call in a scope. Instructions are those of the response alone, or of the agent; a tool
 * choice that forces a call holds for the response's first model call only, or the loop could never end. What a request
 * says of how its model shall answer does not reach the agents below it.
 */
export function prompt(
  request: AcceptedRequest,
  chain: readonly Step[],
  scope: Scope,
  history: readonly Turn[],
  open: OpenCompaction,
): Prompt {
  const offer = [...offerOf(request, chain, scope)];
  return scope === null
    ? responsePrompt(request, chain, offer, history, open)
    : agentPrompt(request, chain, offer, scope);
}

type Offer = readonly (readonly [name: string, offered: Offered])[];

function responsePrompt(
  request: AcceptedRequest,
  chain: readonly Step[],
  offer: Offer,
  history: readonly Turn[],
  open: OpenCompaction,
): Prompt {
  const { body } = request;
  const { tools, tool_choice, permitted } = chosen(request, chain, offer);
  const logprobs = body.include?.includes('message.output_text.logprobs') ?? false;
  const top = body.top_logprobs ?? 0;
  const items = promptItems([...history, { items: [...(request.context ?? []), ...body.input], chain }], open);
  return {
    instructions: body.instructions ?? null,
    items: request.purpose === 'compaction' ? withEveryCallAnswered(items) : items,
    tools,
    tool_choice: tools.length === 0 ? null : tool_choice,
    permitted,
    parallel_tool_calls: tools.length === 0 ? null : (body.parallel_tool_calls ?? null),
    max_output_tokens: outputTokensLeft(request, chain, null),
    temperature: body.temperature ?? null,
    top_p: body.top_p ?? null,
    presence_penalty: body.presence_penalty ?? null,
    frequency_penalty: body.frequency_penalty ?? null,
    top_logprobs: logprobs || top > 0 ? top : null,
    format: body.text?.format ?? null,
    verbosity: body.text?.verbosity ?? null,
    effort: body.reasoning?.effort ?? null,
    summary: body.reasoning?.summary ?? null,
    encrypted_reasoning: body.include?.includes('reasoning.encrypted_content') ?? false,
    prompt_cache_key: body.prompt_cache_key ?? null,
    ...ofWhom(request),
  };
}

function agentPrompt(request: AcceptedRequest, chain: readonly Step[], offer: Offer, scope: Scope): Prompt {
  return {
    instructions: rulesOf(request, chain, scope).instructions,
    items: agentItems(chain, scope),
    tools: offer.map(promptTool),
    tool_choice: null,
    permitted: null,
    parallel_tool_calls: null,
    max_output_tokens: null,
    temperature: null,
    top_p: null,
    presence_penalty: null,
    frequency_penalty: null,
    top_logprobs: null,
    format: null,
    verbosity: null,
    effort: null,
    summary: null,
    encrypted_reasoning: false,
    prompt_cache_key: null,
    ...ofWhom(request),
  };
}

/** Who asks, and how it is served: the same for all models that work at a response. */
function ofWhom(request: AcceptedRequest) {
  const { service_tier, safety_identifier, user } = request.body;
  return {
    obfuscate: request.obfuscate ?? false,
    service_tier: service_tier ?? null,
    safety_identifier: safety_identifier ?? null,
    user: user ?? null,
  };
}

/**
 * What is summed up may end with calls that nobody has answered yet. They stay open for whoever made the request; in the
 * prompt they get an output, because model servers refuse one without.
 */
function withEveryCallAnswered(items: readonly PromptItem[]): PromptItem[] {
  const answered = new Set(items.flatMap((item) => (item.type === 'function_call_output' ? [item.call_id] : [])));
  let waiting: string[] = [];
  const outputs = (): PromptItem[] => {
    const made = waiting.map((call_id): PromptItem => ({ type: 'function_call_output', call_id, output: OPEN_CALL }));
    waiting = [];
    return made;
  };
  const complete = items.flatMap((item): PromptItem[] => {
    if (item.type === 'function_call') {
      if (!answered.has(item.call_id)) waiting.push(item.call_id);
      return [item];
    }
    return item.type === 'function_call_output' ? [item] : [...outputs(), item];
  });
  return [...complete, ...outputs()];
}

const OPEN_CALL = 'There is no output of this call yet.';

/** The tools that a choice leaves, and which of them it demands. */
function chosen(
  request: AcceptedRequest,
  chain: readonly Step[],
  offer: Offer,
): Pick<Prompt, 'tools' | 'tool_choice' | 'permitted'> {
  const choice = request.body.tool_choice ?? null;
  const all = { tools: offer.map(promptTool), permitted: null };
  if (choice === null) return { ...all, tool_choice: null };
  // A call that was forced has been made once the model has answered.
  const answered = stepsOf(chain, null).some(
    (step) => step.kind === 'model_call' && step.outcome.state === 'completed',
  );
  const demand = (mode: 'auto' | 'none' | 'required') => (answered && mode === 'required' ? 'auto' : mode);
  if (typeof choice === 'string')
    return { ...all, permitted: choice === 'none' ? [] : null, tool_choice: demand(choice) };
  switch (choice.type) {
    case 'function':
      return { ...all, tool_choice: answered ? 'auto' : { name: choice.name } };
    case 'mcp': {
      const left = offer.filter((each) => isNamedBy(choice, each));
      const [only, ...others] = left;
      if (answered || only === undefined) return { ...all, tool_choice: 'auto' };
      if (others.length === 0) return { ...all, tool_choice: { name: only[0] } };
      return { tools: left.map(promptTool), permitted: left.map(([name]) => name), tool_choice: 'required' };
    }
    case 'allowed_tools': {
      const left = offer.filter((each) => choice.tools.some((tool) => isNamedBy(tool, each)));
      const { mode } = choice;
      const permitted = mode === 'none' ? [] : left.map(([name]) => name);
      return { tools: left.map(promptTool), permitted, tool_choice: demand(mode) };
    }
  }
}

type NamedTool = Extract<ToolChoice, { type: 'function' | 'mcp' }>;

function isNamedBy(choice: NamedTool, [name, offered]: Offer[number]): boolean {
  switch (choice.type) {
    case 'function':
      return choice.name === name;
    case 'mcp': {
      if (offered.by !== 'mcp' || offered.server.label !== choice.server_label) return false;
      return (choice.name ?? null) === null || choice.name === offered.tool.name;
    }
  }
}

function promptTool([name, offered]: Offer[number]): PromptTool {
  switch (offered.by) {
    case 'client': {
      const { description, parameters, strict } = offered.tool;
      return { name, description: description ?? null, parameters: parameters ?? null, strict: strict ?? null };
    }
    case 'server':
    case 'agent':
      return {
        name,
        description: offered.tool.description,
        parameters: parametersOfTool(offered.tool),
        strict: null,
      };
    case 'mcp': {
      const { server, tool } = offered;
      return { name, description: descriptionOf(server, tool), parameters: tool.input_schema, strict: null };
    }
  }
}
