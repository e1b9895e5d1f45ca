/** What a model is told: the chat-completions request that a chain and the turns before it amount to. Pure. */
import type { InputContent, InputItem, OutputContent } from '@tailrace/protocol';
import type { AcceptedRequest } from './accepted.ts';
import { toolOutputText } from './assemble.ts';
import { liveCalls, outputTokensLeft } from './next-action.ts';
import { type ModelResult, type Step, stepsOf } from './step.ts';

/** A function call inside an assistant message of the chat-completions API. */
export interface ChatToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** A part of a user message of the chat-completions API. */
export type ChatPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; image_url: { url: string; detail?: string } };

/** A message of the chat-completions API. */
export type ChatMessage =
  | { role: 'system' | 'user'; content: string | ChatPart[] }
  | { role: 'assistant'; content: string | null; tool_calls?: ChatToolCall[] }
  | { role: 'tool'; tool_call_id: string; content: string | ChatPart[] };

/** A chat-completions request, without the upstream's name of the model and without `stream`. */
export interface ChatRequest {
  messages: ChatMessage[];
  [parameter: string]: unknown;
}

/** One response of a conversation, with what came of it. */
export interface Turn {
  request: AcceptedRequest;
  chain: readonly Step[];
}

/**
 * The request of the next model call at the top level of the last turn. Instructions are those of the last turn alone;
 * a tool choice that forces a call holds for its first model call only, or the loop could never end.
 */
export function chatRequest(turns: readonly Turn[]): ChatRequest {
  const current = turns.at(-1);
  if (!current) throw new Error('a model call belongs to a turn');
  const { body } = current.request;
  const called = stepsOf(current.chain, null).some((step) => step.kind === 'tool_call');
  const tools = chatTools(current.request);
  return dropUndefined({
    messages: chatMessages(turns),
    tools: tools.length === 0 ? undefined : tools,
    tool_choice: tools.length === 0 ? undefined : chatToolChoice(current.request, called),
    parallel_tool_calls: tools.length === 0 ? undefined : (body.parallel_tool_calls ?? undefined),
    temperature: body.temperature ?? undefined,
    top_p: body.top_p ?? undefined,
    presence_penalty: body.presence_penalty ?? undefined,
    frequency_penalty: body.frequency_penalty ?? undefined,
    max_tokens: outputTokensLeft(current.request, current.chain) ?? undefined,
    response_format: responseFormat(current.request),
    reasoning_effort: body.reasoning?.effort ?? undefined,
    verbosity: body.text?.verbosity ?? undefined,
    user: body.user ?? undefined,
  });
}

/** The messages of a conversation up to and including what the last turn has done so far. */
export function chatMessages(turns: readonly Turn[]): ChatMessage[] {
  const upstreamIds = new Map(turns.flatMap(({ chain }) => upstreamCallIds(chain)));
  const messages: ChatMessage[] = [];
  const instructions = turns.at(-1)?.request.body.instructions;
  if (instructions) messages.push({ role: 'system', content: instructions });
  for (const { request, chain } of turns) {
    for (const item of request.body.input) appendInput(messages, item, upstreamIds);
    for (const step of stepsOf(chain, null)) appendStep(messages, step, upstreamIds);
  }
  return messages;
}

type CallIds = ReadonlyMap<string, string>;

function upstreamCallIds(chain: readonly Step[]): [string, string][] {
  return chain.flatMap((step) => {
    if (step.kind !== 'model_call' || step.outcome.state !== 'completed') return [];
    return step.outcome.result.items.flatMap(({ item, upstream_call_id }): [string, string][] =>
      item.type === 'function_call' && upstream_call_id ? [[item.call_id, upstream_call_id]] : [],
    );
  });
}

function appendInput(messages: ChatMessage[], item: InputItem, ids: CallIds): void {
  switch (item.type) {
    case 'message':
      if (item.role === 'assistant') appendText(messages, plainText(item.content));
      else messages.push({ role: item.role === 'user' ? 'user' : 'system', content: chatContent(item.content) });
      return;
    case 'function_call':
      appendCall(messages, chatCall(item, ids));
      return;
    case 'function_call_output':
      messages.push({
        role: 'tool',
        tool_call_id: ids.get(item.call_id) ?? item.call_id,
        content: chatContent(item.output),
      });
      return;
    case 'reasoning':
      return;
  }
}

function appendStep(messages: ChatMessage[], step: Step, ids: CallIds): void {
  if (step.kind === 'tool_call') {
    const id = ids.get(step.request.call_id) ?? step.request.call_id;
    messages.push({ role: 'tool', tool_call_id: id, content: toolOutputText(step) });
    return;
  }
  if (step.outcome.state === 'completed') appendAnswer(messages, step.outcome.result, ids);
}

/** What a model call produced is one assistant message, as the upstream sent it. */
function appendAnswer(messages: ChatMessage[], result: ModelResult, ids: CallIds): void {
  const text = result.items
    .map(({ item, superseded }) => (item.type === 'message' && !superseded ? plainText(item.content) : ''))
    .join('');
  const calls = liveCalls(result).map((call) => chatCall(call, ids));
  if (calls.length > 0) messages.push({ role: 'assistant', content: text || null, tool_calls: calls });
  else if (text !== '') messages.push({ role: 'assistant', content: text });
}

interface Call {
  call_id: string;
  name: string;
  arguments: string;
}

function chatCall({ call_id, name, arguments: text }: Call, ids: CallIds): ChatToolCall {
  return { id: ids.get(call_id) ?? call_id, type: 'function', function: { name, arguments: text } };
}

/** Between calls and their outputs nothing may stand, so text after a call joins the call's message. */
function appendText(messages: ChatMessage[], text: string): void {
  const last = messages.at(-1);
  if (last?.role === 'assistant' && last.tool_calls) last.content = `${last.content ?? ''}${text}`;
  else messages.push({ role: 'assistant', content: text });
}

/** Calls that stand side by side are one assistant message, with the text before them. */
function appendCall(messages: ChatMessage[], call: ChatToolCall): void {
  const last = messages.at(-1);
  if (last?.role === 'assistant') last.tool_calls = [...(last.tool_calls ?? []), call];
  else messages.push({ role: 'assistant', content: null, tool_calls: [call] });
}

function plainText(content: string | readonly (InputContent | OutputContent)[]): string {
  if (typeof content === 'string') return content;
  return content.map(partText).join('');
}

function partText(part: InputContent | OutputContent): string {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return part.text;
    case 'refusal':
      return part.refusal;
    case 'input_image':
      return '';
  }
}

function chatContent(content: string | readonly InputContent[]): string | ChatPart[] {
  if (typeof content === 'string') return content;
  if (content.length <= 1 && content.every((part) => part.type !== 'input_image')) return plainText(content);
  return content.map((part): ChatPart => {
    if (part.type !== 'input_image') return { type: 'text', text: partText(part) };
    return { type: 'image_url', image_url: { url: part.image_url, ...(part.detail ? { detail: part.detail } : {}) } };
  });
}

function chatTools(request: AcceptedRequest): unknown[] {
  const choice = request.body.tool_choice;
  const allowed =
    typeof choice === 'object' && choice?.type === 'allowed_tools'
      ? new Set(choice.tools.map((tool) => tool.name))
      : undefined;
  const client = (request.body.tools ?? []).map(({ name, description, parameters, strict }) => ({
    type: 'function',
    function: dropUndefined({
      name,
      description: description ?? undefined,
      parameters: parameters ?? undefined,
      strict: strict ?? undefined,
    }),
  }));
  const server = request.server_tools.map(({ name, description, parameters }) => ({
    type: 'function',
    function: dropUndefined({ name, description: description ?? undefined, parameters: parameters ?? undefined }),
  }));
  return [...client, ...server].filter((tool) => !allowed || allowed.has(tool.function.name));
}

function chatToolChoice(request: AcceptedRequest, called: boolean): unknown {
  const choice = request.body.tool_choice;
  if (choice === null || choice === undefined) return undefined;
  const mode = typeof choice === 'object' && choice.type === 'allowed_tools' ? choice.mode : choice;
  if (mode === 'none') return 'none';
  if (called) return 'auto';
  return typeof mode === 'string' ? mode : { type: 'function', function: { name: mode.name } };
}

function responseFormat(request: AcceptedRequest): unknown {
  const format = request.body.text?.format;
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      return { type: 'json_object' };
    case 'json_schema': {
      const { name, description, schema, strict } = format;
      return {
        type: 'json_schema',
        json_schema: dropUndefined({
          name,
          description: description ?? undefined,
          schema,
          strict: strict ?? undefined,
        }),
      };
    }
  }
}

function dropUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
