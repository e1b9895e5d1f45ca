/** One message of a chat-completions request, reduced to what the demo model looks at. */
export interface ChatMessage {
  role: string;
  text: string;
  calls: { id: string; name: string; arguments: string }[];
  /** The tool call that a `tool` message answers. */
  answers: string | null;
  characters: number;
}

/** The text of a message's content: a string, parts (their texts, a line each) or nothing. Null where it is neither. */
export function messageText(content: unknown): string | null {
  if (typeof content === 'string') return content;
  if (content === null || content === undefined) return '';
  if (!Array.isArray(content)) return null;
  const texts: string[] = [];
  for (const part of content as unknown[]) {
    if (typeof part !== 'object' || part === null) return null;
    if ('text' in part && typeof part.text === 'string') texts.push(part.text);
  }
  return texts.join('\n');
}

/**
 * The first place where tool calls and tool messages do not fit together, or null. The rule is that of model
 * servers: a turn's calls are all answered, each once, by the messages right after it.
 */
export function toolSequenceProblem(messages: ChatMessage[]): { index: number; message: string } | null {
  let open = new Set<string>();
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (message.answers === null || !open.delete(message.answers)) {
        return {
          index,
          message: "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
        };
      }
      continue;
    }
    if (open.size > 0) return { index, message: unanswered(open) };
    open = new Set(message.calls.map((call) => call.id));
    if (open.size < message.calls.length) return { index, message: "Duplicate ids in 'tool_calls'." };
  }
  return open.size > 0 ? { index: messages.length - 1, message: unanswered(open) } : null;
}

function unanswered(ids: Set<string>): string {
  const list = [...ids].join(', ');
  return `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. Without a response: ${list}`;
}
