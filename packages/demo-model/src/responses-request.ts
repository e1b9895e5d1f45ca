import { readFormat, readMaxTokens, readTopLogprobs } from './answer-parameters.ts';
import { conversationOf, type ReadRequest, refuse } from './model-request.ts';
import { readTools } from './offered-tools.ts';
import { isRecord } from './record.ts';
import { readInput } from './responses-input.ts';
import { readToolChoice } from './tool-choice.ts';

/** Checks a parsed body as a server of the Responses API does that keeps nothing. Never throws. */
export function readResponsesRequest(body: unknown): ReadRequest {
  if (!isRecord(body)) return refuse('The body must be a JSON object.', null);
  if (typeof body.model !== 'string' || body.model === '') {
    return refuse('You must provide a model parameter.', 'model');
  }
  for (const param of ['previous_response_id', 'conversation']) {
    if (body[param] !== undefined && body[param] !== null) {
      return refuse(`The demo model keeps no responses: '${param}' cannot be continued.`, param);
    }
  }
  if (body.background === true) return refuse('The demo model does not work in the background.', 'background');
  const input = readInput(body.input);
  if (!input.ok) return input;
  const offered = readTools(body.tools, (tool) => tool);
  if (!offered.ok) return offered;
  const choice = readToolChoice(body.tool_choice, offered.tools);
  if (!choice.ok) return refuse(choice.message, 'tool_choice');
  const include = Array.isArray(body.include) ? (body.include as unknown[]) : [];
  const logprobs = readTopLogprobs(body.top_logprobs, include.includes('message.output_text.logprobs'));
  if (!logprobs.ok) return logprobs;
  const instructions = typeof body.instructions === 'string' ? body.instructions : '';
  const system = { role: 'system', text: instructions, calls: [], answers: null, characters: instructions.length };
  return {
    ok: true,
    request: {
      model: body.model,
      stream: body.stream === true,
      includeUsage: true,
      tools: choice.tools,
      mustCall: choice.mustCall,
      parallelToolCalls: body.parallel_tool_calls !== false,
      format: readFormat(isRecord(body.text) ? body.text.format : undefined, (format) => format.schema),
      topLogprobs: logprobs.topLogprobs,
      maxTokens: readMaxTokens(body.max_output_tokens),
      ...conversationOf([system, ...input.messages], input.items),
    },
  };
}
