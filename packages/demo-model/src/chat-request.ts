import { type ChatMessage, messageText, toolSequenceProblem } from './chat-message.ts';

/** The parts of a chat-completions request that the demo model looks at. */
export interface ChatRequest {
  model: string;
  stream: boolean;
  includeUsage: boolean;
  /** Names of the function tools on offer; empty with `tool_choice: "none"`. */
  tools: string[];
  parallelToolCalls: boolean;
  messagesCount: number;
  /** Text of the last user message; empty where there is none. */
  lastUserText: string;
  /** Assistant messages after the last user message. */
  turnIndex: number;
  /** The tool calls made since the last user message, in order, each with its output. */
  exchanges: ToolExchange[];
  /** About a token for four characters. */
  promptTokens: number;
}

/** A tool call of an earlier turn and what the tool answered. */
export interface ToolExchange {
  tool: string;
  arguments: string;
  output: string;
}

/** A request, or why it is none: `param` is the field at fault. */
export type ReadRequest = { ok: true; request: ChatRequest } | { ok: false; message: string; param: string | null };

/** Checks a parsed body as a model server does, the order of tool messages included. Never throws. */
export function readChatRequest(body: unknown): ReadRequest {
  if (!isRecord(body)) return bad('The body must be a JSON object.', null);
  if (typeof body.model !== 'string' || body.model === '') return bad('You must provide a model parameter.', 'model');
  if (!Array.isArray(body.messages) || body.messages.length === 0) {
    return bad('Expected an array of messages with at least one of them.', 'messages');
  }
  const messages: ChatMessage[] = [];
  for (const [index, value] of body.messages.entries()) {
    const message = readMessage(value);
    if (message === null) return bad(`Message ${index} is not a chat message.`, `messages[${index}]`);
    messages.push(message);
  }
  const problem = toolSequenceProblem(messages);
  if (problem !== null) return bad(problem.message, `messages[${problem.index}]`);

  const lastUser = messages.findLastIndex((message) => message.role === 'user');
  const since = messages.slice(lastUser + 1);
  return {
    ok: true,
    request: {
      model: body.model,
      stream: body.stream === true,
      includeUsage: isRecord(body.stream_options) && body.stream_options.include_usage === true,
      tools: body.tool_choice === 'none' ? [] : toolNames(body.tools),
      parallelToolCalls: body.parallel_tool_calls !== false,
      messagesCount: messages.length,
      lastUserText: messages[lastUser]?.text ?? '',
      turnIndex: since.filter((message) => message.role === 'assistant').length,
      exchanges: exchangesOf(since),
      promptTokens: Math.max(1, Math.ceil(messages.reduce((sum, message) => sum + message.characters, 0) / 4)),
    },
  };
}

function readMessage(value: unknown): ChatMessage | null {
  if (!isRecord(value) || typeof value.role !== 'string') return null;
  const text = messageText(value.content);
  if (text === null) return null;
  const calls: ChatMessage['calls'] = [];
  if (value.tool_calls !== undefined && value.tool_calls !== null) {
    if (!Array.isArray(value.tool_calls)) return null;
    for (const call of value.tool_calls as unknown[]) {
      if (!isRecord(call) || typeof call.id !== 'string' || !isRecord(call.function)) return null;
      const { name, arguments: json } = call.function;
      if (typeof name !== 'string' || typeof json !== 'string') return null;
      calls.push({ id: call.id, name, arguments: json });
    }
  }
  if (value.role === 'tool' && typeof value.tool_call_id !== 'string') return null;
  return {
    role: value.role,
    text,
    calls,
    answers: value.role === 'tool' && typeof value.tool_call_id === 'string' ? value.tool_call_id : null,
    characters: calls.reduce((sum, call) => sum + call.name.length + call.arguments.length, text.length),
  };
}

function exchangesOf(messages: ChatMessage[]): ToolExchange[] {
  const outputs = new Map<string, string>();
  for (const message of messages) if (message.answers !== null) outputs.set(message.answers, message.text);
  return messages.flatMap((message) =>
    message.calls.map((call) => ({ tool: call.name, arguments: call.arguments, output: outputs.get(call.id) ?? '' })),
  );
}

function toolNames(tools: unknown): string[] {
  if (!Array.isArray(tools)) return [];
  return (tools as unknown[]).flatMap((tool) =>
    isRecord(tool) && isRecord(tool.function) && typeof tool.function.name === 'string' ? [tool.function.name] : [],
  );
}

function bad(message: string, param: string | null): ReadRequest {
  return { ok: false, message, param };
}

/** True of JSON objects. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
