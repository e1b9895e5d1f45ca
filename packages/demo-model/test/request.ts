import { readChatRequest } from '../src/chat-request.ts';
import type { ModelRequest } from '../src/model-request.ts';

/** The chat-completions request with these messages, read. */
export function requestOf(messages: unknown[], rest: Record<string, unknown> = {}): ModelRequest {
  const read = readChatRequest({ model: 'demo', messages, ...rest });
  if (!read.ok) throw new Error(read.message);
  return read.request;
}

/** The request with one user message. */
export function question(text: string, rest: Record<string, unknown> = {}): ModelRequest {
  return requestOf([{ role: 'user', content: text }], rest);
}

/** An assistant message with tool calls, and the tools' answers to them. */
export function exchange(...calls: { id: string; tool: string; args: object; output: string }[]): unknown[] {
  return [
    {
      role: 'assistant',
      content: null,
      tool_calls: calls.map(({ id, tool, args }) => ({
        id,
        type: 'function',
        function: { name: tool, arguments: JSON.stringify(args) },
      })),
    },
    ...calls.map(({ id, output }) => ({ role: 'tool', tool_call_id: id, content: output })),
  ];
}

/** Function tools of these names, as a request offers them. */
export function offered(...names: string[]): unknown[] {
  return names.map((name) => ({ type: 'function', function: { name, parameters: {} } }));
}
