import { readFormat, readMaxTokens, readTopLogprobs } from './answer-parameters.ts';
import { type ChatMessage, messageText, toolSequenceProblem } from './chat-message.ts';
import { conversationOf, type ReadRequest, refuse } from './model-request.ts';
import { readTools } from './offered-tools.ts';
import { isRecord } from './record.ts';
import { readToolChoice } from './tool-choice.ts';

/** Checks a parsed body as a chat-completions server does, the order of tool messages included. Never throws. */
export function readChatRequest(body: unknown): ReadRequest {
  if (!isRecord(body)) return refuse('The body must be a JSON object.', null);
  if (typeof body.model !== 'string' || body.model === '') {
    return refuse('You must provide a model parameter.', 'model');
  }
  if (!Array.isArray(body.messages) || body.messages.length === 0) {
    return refuse('Expected an array of messages with at least one of them.', 'messages');
  }
  const messages: ChatMessage[] = [];
  for (const [index, value] of body.messages.entries()) {
    const message = readMessage(value);
    if (message === null) return refuse(`Message ${index} is not a chat message.`, `messages[${index}]`);
    messages.push(message);
  }
  const problem = toolSequenceProblem(messages);
  if (problem !== null) return refuse(problem.message, `messages[${problem.index}]`);
  const offered = readTools(body.tools, (tool) => tool.function);
  if (!offered.ok) return offered;
  const choice = readToolChoice(body.tool_choice, offered.tools);
  if (!choice.ok) return refuse(choice.message, 'tool_choice');
  const logprobs = readTopLogprobs(body.top_logprobs, body.logprobs === true);
  if (!logprobs.ok) return logprobs;
  return {
    ok: true,
    request: {
      model: body.model,
      stream: body.stream === true,
      includeUsage: isRecord(body.stream_options) && body.stream_options.include_usage === true,
      tools: choice.tools,
      mustCall: choice.mustCall,
      parallelToolCalls: body.parallel_tool_calls !== false,
      format: readFormat(body.response_format, ({ json_schema: named }) =>
        isRecord(named) ? named.schema : undefined,
      ),
      topLogprobs: logprobs.topLogprobs,
      maxTokens: readMaxTokens(body.max_completion_tokens, body.max_tokens),
      ...conversationOf(messages),
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
