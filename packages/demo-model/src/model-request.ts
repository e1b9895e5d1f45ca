import type { ChatMessage } from './chat-message.ts';

/** The parts of a request, of whichever dialect, that the demo model looks at. */
export interface ModelRequest extends Conversation {
  model: string;
  stream: boolean;
  /** Whether a stream of chat completions tells the token counts. */
  includeUsage: boolean;
  /** The function tools that `tool_choice` lets the model call. */
  tools: OfferedTool[];
  /** `tool_choice` asks for a call of one of `tools`. */
  mustCall: boolean;
  parallelToolCalls: boolean;
  format: AnswerFormat;
  /** How many alternatives each token comes with; null where no log probabilities were asked for. */
  topLogprobs: number | null;
  /** The most tokens (content chunks) of an answer; null: any number. */
  maxTokens: number | null;
}

/** `text`, any JSON object, or JSON of a schema. */
export type AnswerFormat = 'text' | 'json' | { schema: unknown };

/** A function tool; `parameters` is its JSON schema as it was sent. */
export interface OfferedTool {
  name: string;
  parameters: unknown;
}

/** What was said so far. */
export interface Conversation {
  /** Messages of a chat, items of a Responses input. */
  messagesCount: number;
  /** Text of the last user message; empty where there is none. */
  lastUserText: string;
  /** Turns of the model after the last user message. */
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
export type ReadRequest = { ok: true; request: ModelRequest } | Refusal;

/** Why a request is none. */
export interface Refusal {
  ok: false;
  message: string;
  param: string | null;
}

/** The conversation that the messages are; each message of the assistant is a turn. */
export function conversationOf(messages: ChatMessage[], messagesCount = messages.length): Conversation {
  const lastUser = messages.findLastIndex((message) => message.role === 'user');
  const since = messages.slice(lastUser + 1);
  return {
    messagesCount,
    lastUserText: messages[lastUser]?.text ?? '',
    turnIndex: since.filter((message) => message.role === 'assistant').length,
    exchanges: exchangesOf(since),
    promptTokens: Math.max(1, Math.ceil(messages.reduce((sum, message) => sum + message.characters, 0) / 4)),
  };
}

function exchangesOf(messages: ChatMessage[]): ToolExchange[] {
  const outputs = new Map<string, string>();
  for (const message of messages) if (message.answers !== null) outputs.set(message.answers, message.text);
  return messages.flatMap((message) =>
    message.calls.map((call) => ({ tool: call.name, arguments: call.arguments, output: outputs.get(call.id) ?? '' })),
  );
}

/** Refuses a request. */
export function refuse(message: string, param: string | null): Refusal {
  return { ok: false, message, param };
}
