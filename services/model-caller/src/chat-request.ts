/** A prompt as a chat-completions request. Pure. */
import type { Prompt, PromptItem, PromptTool } from '@tailrace/chain';
import type { InputContent } from '@tailrace/protocol';
import { fileText } from './file-text.ts';

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

/** The request that a prompt amounts to. What nobody has asked for is left out. */
export function chatRequest(prompt: Prompt): ChatRequest {
  const logprobs = prompt.top_logprobs === null ? {} : { logprobs: true, top_logprobs: prompt.top_logprobs };
  return {
    messages: chatMessages(prompt),
    ...(prompt.tools.length === 0 ? {} : { tools: prompt.tools.map(chatTool) }),
    ...dropNull({
      tool_choice: chatToolChoice(prompt.tool_choice),
      parallel_tool_calls: prompt.parallel_tool_calls,
      temperature: prompt.temperature,
      top_p: prompt.top_p,
      presence_penalty: prompt.presence_penalty,
      frequency_penalty: prompt.frequency_penalty,
      max_tokens: prompt.max_output_tokens,
      response_format: responseFormat(prompt.format),
      reasoning_effort: prompt.effort,
      verbosity: prompt.verbosity,
      // 'auto' is what an upstream does when it is not told.
      service_tier: prompt.service_tier === 'auto' ? null : prompt.service_tier,
      prompt_cache_key: prompt.prompt_cache_key,
      safety_identifier: prompt.safety_identifier,
      user: prompt.user,
    }),
    ...logprobs,
  };
}

function chatMessages(prompt: Prompt): ChatMessage[] {
  const conversation = new Conversation();
  if (prompt.instructions) conversation.say({ role: 'system', content: prompt.instructions });
  for (const item of prompt.items) conversation.add(item);
  return conversation.messages();
}

/**
 * Puts items into messages. What the model says and calls side by side is one assistant message, and the outputs follow
 * their calls at once: upstreams refuse whatever stands between. What does waits until the calls are answered.
 */
class Conversation {
  readonly #messages: ChatMessage[] = [];
  readonly #unanswered = new Set<string>();
  #held: ChatMessage[] = [];

  add(item: PromptItem): void {
    switch (item.type) {
      case 'message':
        if (item.role === 'assistant') this.#text(plainText(item.content));
        else this.say({ role: item.role === 'user' ? 'user' : 'system', content: chatContent(item.content) });
        return;
      case 'function_call': {
        const { call_id: id, name, arguments: text } = item;
        this.#call({ id, type: 'function', function: { name, arguments: text } });
        return;
      }
      case 'function_call_output':
        this.#messages.push({ role: 'tool', tool_call_id: item.call_id, content: chatContent(item.output) });
        this.#unanswered.delete(item.call_id);
        if (this.#unanswered.size === 0) this.#release();
        return;
      case 'reasoning':
        return;
    }
  }

  say(message: ChatMessage): void {
    if (this.#unanswered.size > 0) this.#held.push(message);
    else this.#messages.push(message);
  }

  messages(): ChatMessage[] {
    this.#release();
    return this.#messages;
  }

  #text(text: string): void {
    const last = this.#messages.at(-1);
    if (last?.role === 'assistant' && last.tool_calls) last.content = `${last.content ?? ''}${text}`;
    else this.say({ role: 'assistant', content: text });
  }

  #call(call: ChatToolCall): void {
    const open = this.#unanswered.size > 0;
    const last = open ? this.#messages.findLast(({ role }) => role === 'assistant') : this.#messages.at(-1);
    this.#unanswered.add(call.id);
    if (last?.role === 'assistant') last.tool_calls = [...(last.tool_calls ?? []), call];
    else this.#messages.push({ role: 'assistant', content: null, tool_calls: [call] });
  }

  #release(): void {
    this.#messages.push(...this.#held);
    this.#held = [];
  }
}

function plainText(content: string | readonly InputContent[]): string {
  return typeof content === 'string' ? content : content.map(partText).join('');
}

function partText(part: InputContent): string {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return part.text;
    case 'refusal':
      return part.refusal;
    case 'input_file':
      return fileText(part);
    case 'input_image':
      return '';
  }
}

function chatContent(content: string | readonly InputContent[]): string | ChatPart[] {
  if (typeof content === 'string') return content;
  if (content.length <= 1 && content.every((part) => part.type !== 'input_image')) return plainText(content);
  return content.map((part): ChatPart => {
    if (part.type !== 'input_image') return { type: 'text', text: partText(part) };
    // Chat completions know nothing above 'high'.
    const detail = part.detail === 'original' ? 'high' : part.detail;
    return { type: 'image_url', image_url: { url: part.image_url, ...(detail ? { detail } : {}) } };
  });
}

function chatTool(tool: PromptTool): object {
  return { type: 'function', function: dropNull(tool) };
}

function chatToolChoice(choice: Prompt['tool_choice']): unknown {
  return typeof choice === 'object' && choice !== null ? { type: 'function', function: choice } : choice;
}

function responseFormat(format: Prompt['format']): unknown {
  switch (format?.type) {
    case undefined:
    case 'text':
      return null;
    case 'json_object':
      return { type: 'json_object' };
    case 'json_schema': {
      const { type, ...schema } = format;
      return { type, json_schema: dropNull(schema) };
    }
  }
}

function dropNull(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
}
