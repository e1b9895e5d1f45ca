import { type ChatMessage, messageText } from './chat-message.ts';
import { type Refusal, refuse } from './model-request.ts';
import { isRecord } from './record.ts';

/** The messages that an input is, and its number of items. */
export type ReadInput = { ok: true; messages: ChatMessage[]; items: number } | Refusal;

type Call = ChatMessage['calls'][number];

const outputParts = new Set(['output_text', 'refusal']);
const inputParts = new Set(['input_text', 'input_image', 'input_file']);

/**
 * Reads the `input` of a Responses request. What the model said in a row (reasoning, messages, calls) is one message of
 * the assistant: one turn. Each call has one output after it, wherever.
 */
export function readInput(input: unknown): ReadInput {
  if (typeof input === 'string') return { ok: true, messages: [plain('user', input)], items: 1 };
  if (!Array.isArray(input) || input.length === 0) {
    return refuse('Expected a text or an array of items with at least one of them.', 'input');
  }
  const messages: ChatMessage[] = [];
  const calls = new Map<string, { index: number; answered: boolean }>();
  for (const [index, value] of (input as unknown[]).entries()) {
    const at = `input[${index}]`;
    const message = readItem(value);
    if (message === null) return refuse(`Item ${index} is not an item of a Responses input.`, at);
    for (const { id } of message.calls) {
      if (calls.has(id)) return refuse(`Duplicate function call with call_id ${id}.`, at);
      calls.set(id, { index, answered: false });
    }
    if (message.answers !== null) {
      const call = calls.get(message.answers);
      if (call === undefined || call.answered) {
        return refuse(`No tool call found for function call output with call_id ${message.answers}.`, at);
      }
      call.answered = true;
    }
    append(messages, message);
  }
  for (const [id, { index, answered }] of calls) {
    if (!answered) return refuse(`No tool output found for function call ${id}.`, `input[${index}]`);
  }
  return { ok: true, messages, items: input.length };
}

function append(messages: ChatMessage[], message: ChatMessage): void {
  const last = messages.at(-1);
  if (message.role !== 'assistant' || last?.role !== 'assistant') {
    messages.push(message);
    return;
  }
  last.text += message.text;
  last.calls.push(...message.calls);
  last.characters += message.characters;
}

function readItem(item: unknown): ChatMessage | null {
  if (!isRecord(item)) return null;
  switch (item.type ?? 'message') {
    case 'message':
      return readMessage(item);
    case 'reasoning':
      return Array.isArray(item.summary) ? plain('assistant', '') : null;
    case 'function_call': {
      const { call_id: id, name, arguments: json } = item;
      if (typeof id !== 'string' || typeof name !== 'string' || typeof json !== 'string') return null;
      const call: Call = { id, name, arguments: json };
      return { ...plain('assistant', ''), calls: [call], characters: name.length + json.length };
    }
    case 'function_call_output': {
      const text = item.output === undefined || item.output === null ? null : textOf(item.output, inputParts);
      if (text === null || typeof item.call_id !== 'string') return null;
      return { ...plain('tool', text), answers: item.call_id };
    }
    default:
      return null;
  }
}

function readMessage({ role, content }: Record<string, unknown>): ChatMessage | null {
  if (role !== 'user' && role !== 'assistant' && role !== 'system' && role !== 'developer') return null;
  if (content === undefined || content === null) return null;
  const text = textOf(content, role === 'assistant' ? outputParts : inputParts);
  return text === null ? null : plain(role, text);
}

/** The text of a content whose parts are all of these types. */
function textOf(content: unknown, types: Set<string>): string | null {
  const known = (part: unknown) => isRecord(part) && typeof part.type === 'string' && types.has(part.type);
  return Array.isArray(content) && !content.every(known) ? null : messageText(content);
}

function plain(role: string, text: string): ChatMessage {
  return { role, text, calls: [], answers: null, characters: text.length };
}
