/**
 * What a model is told: the conversation that a chain and the turns before it amount to, in the terms of Open Responses.
 * Pure, and free of any upstream's dialect.
 */
import type { FunctionToolParam, InputContent, KeptItem, OutputContent, TextFormat } from '@tailrace/protocol';
import type { AcceptedRequest } from './accepted.ts';
import { toolOutputText } from './assemble.ts';
import { liveCalls, outputTokensLeft } from './next-action.ts';
import { type ModelResult, type Step, stepsOf } from './step.ts';

/** An item of what a model is told. Call ids are the upstream's own, where it made the call. */
export type PromptItem =
  | {
      type: 'message';
      role: 'user' | 'assistant' | 'system' | 'developer';
      content: string | InputContent[];
      phase?: 'commentary' | 'final_answer';
    }
  | { type: 'function_call'; call_id: string; name: string; arguments: string }
  | { type: 'function_call_output'; call_id: string; output: string | InputContent[] }
  | { type: 'reasoning'; summary: string[]; content: string[]; encrypted_content: string | null };

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

/** Something that was said earlier: items as they are, and what a response made of them. */
export interface Turn {
  items: readonly KeptItem[];
  chain: readonly Step[];
}

/** The text in a compaction item. */
export type OpenCompaction = (encrypted: string) => string;

/**
 * The request of the next model call at the top level of a response. Instructions are those of the response alone; a tool
 * choice that forces a call holds for its first model call only, or the loop could never end.
 */
export function prompt(
  request: AcceptedRequest,
  chain: readonly Step[],
  history: readonly Turn[],
  open: OpenCompaction,
): Prompt {
  const { body } = request;
  const called = stepsOf(chain, null).some((step) => step.kind === 'tool_call');
  const tools = promptTools(request);
  const logprobs = body.include?.includes('message.output_text.logprobs') ?? false;
  const top = body.top_logprobs ?? 0;
  const items = promptItems([...history, { items: [...(request.context ?? []), ...body.input], chain }], open);
  return {
    instructions: body.instructions ?? null,
    items: request.purpose === 'compaction' ? withEveryCallAnswered(items) : items,
    tools,
    tool_choice: tools.length === 0 ? null : choiceOf(request, called),
    permitted: permittedTools(request),
    parallel_tool_calls: tools.length === 0 ? null : (body.parallel_tool_calls ?? null),
    max_output_tokens: outputTokensLeft(request, stepsOf(chain, null)),
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
    obfuscate: request.obfuscate ?? false,
    service_tier: body.service_tier ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    safety_identifier: body.safety_identifier ?? null,
    user: body.user ?? null,
  };
}

/** Everything that was said, in its order. */
export function promptItems(turns: readonly Turn[], open: OpenCompaction): PromptItem[] {
  const upstreamIds = new Map(turns.flatMap(({ chain }) => upstreamCallIds(chain)));
  return turns.flatMap(({ items, chain }) => [
    ...items.flatMap((item) => givenItem(item, upstreamIds, open)),
    ...stepsOf(chain, null).flatMap((step) => stepItems(step, upstreamIds)),
  ]);
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

type CallIds = ReadonlyMap<string, string>;

function upstreamCallIds(chain: readonly Step[]): [string, string][] {
  return chain.flatMap((step) => {
    if (step.kind !== 'model_call' || step.outcome.state !== 'completed') return [];
    return step.outcome.result.items.flatMap(({ item, upstream_call_id }): [string, string][] =>
      item.type === 'function_call' && upstream_call_id ? [[item.call_id, upstream_call_id]] : [],
    );
  });
}

function givenItem(item: KeptItem, ids: CallIds, open: OpenCompaction): PromptItem[] {
  switch (item.type) {
    case 'message': {
      const { type, role, content, phase } = item;
      return [{ type, role, content, ...(phase ? { phase } : {}) }];
    }
    case 'function_call': {
      const { type, call_id, name, arguments: text } = item;
      return [{ type, call_id: ids.get(call_id) ?? call_id, name, arguments: text }];
    }
    case 'function_call_output': {
      const { type, call_id, output } = item;
      return [{ type, call_id: ids.get(call_id) ?? call_id, output }];
    }
    case 'reasoning':
      return [
        {
          type: item.type,
          summary: item.summary.map((part) => part.text),
          content: (item.content ?? []).map((part) => part.text),
          encrypted_content: item.encrypted_content ?? null,
        },
      ];
    case 'compaction': {
      const summary = open(item.encrypted_content);
      return [{ type: 'message', role: 'user', content: `Summary of the conversation so far:\n\n${summary}` }];
    }
  }
}

function stepItems(step: Step, ids: CallIds): PromptItem[] {
  if (step.kind === 'tool_call') {
    const { call_id } = step.request;
    return [{ type: 'function_call_output', call_id: ids.get(call_id) ?? call_id, output: toolOutputText(step) }];
  }
  return step.outcome.state === 'completed' ? answerItems(step.outcome.result, ids) : [];
}

/** What a model call produced, its text in one piece before its calls, as upstreams expect it back. */
function answerItems(result: ModelResult, ids: CallIds): PromptItem[] {
  const stands = result.items.filter(({ superseded }) => !superseded).map(({ item }) => item);
  const reasoning = stands.flatMap((item): PromptItem[] => {
    if (item.type !== 'reasoning') return [];
    const { type, summary, content, encrypted_content } = item;
    const texts = (parts: readonly { text: string }[]) => parts.map((part) => part.text);
    const encrypted = encrypted_content ?? null;
    return [{ type, summary: texts(summary), content: texts(content), encrypted_content: encrypted }];
  });
  const text = stands.map((item) => (item.type === 'message' ? item.content.map(outputText).join('') : '')).join('');
  const calls = liveCalls(result).map(({ call_id, name, arguments: json }): PromptItem => {
    return { type: 'function_call', call_id: ids.get(call_id) ?? call_id, name, arguments: json };
  });
  return [
    ...reasoning,
    ...(text === '' ? [] : [{ type: 'message' as const, role: 'assistant' as const, content: text }]),
    ...calls,
  ];
}

function outputText(part: OutputContent): string {
  return part.type === 'refusal' ? part.refusal : part.text;
}

function promptTools(request: AcceptedRequest): PromptTool[] {
  const client = (request.body.tools ?? []).map(({ name, description, parameters, strict }: FunctionToolParam) => ({
    name,
    description: description ?? null,
    parameters: parameters ?? null,
    strict: strict ?? null,
  }));
  const server = request.server_tools.map((tool) => ({ ...tool, strict: null }));
  const allowed = allowedNames(request);
  return [...client, ...server].filter((tool) => allowed === null || allowed.includes(tool.name));
}

/** The names that `allowed_tools` leaves; null when the request does not use it. */
function allowedNames(request: AcceptedRequest): string[] | null {
  const choice = request.body.tool_choice;
  return typeof choice === 'object' && choice?.type === 'allowed_tools' ? choice.tools.map((tool) => tool.name) : null;
}

function permittedTools(request: AcceptedRequest): string[] | null {
  const choice = request.body.tool_choice;
  if (choice === 'none') return [];
  if (typeof choice !== 'object' || choice === null || choice.type !== 'allowed_tools') return null;
  return choice.mode === 'none' ? [] : choice.tools.map((tool) => tool.name);
}

function choiceOf(request: AcceptedRequest, called: boolean): Prompt['tool_choice'] {
  const choice = request.body.tool_choice;
  if (choice === null || choice === undefined) return null;
  const mode = typeof choice === 'object' && choice.type === 'allowed_tools' ? choice.mode : choice;
  if (mode === 'none') return 'none';
  if (called) return 'auto';
  return typeof mode === 'string' ? mode : { name: mode.name };
}
