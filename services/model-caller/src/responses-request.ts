/** A prompt as a request to a server that speaks the Responses API itself. Pure. */
import type { Prompt, PromptItem, PromptTool } from '@tailrace/chain';
import type { InputContent } from '@tailrace/protocol';
import { fileText } from './file-text.ts';
import { isUpstreams } from './sealed-reasoning.ts';

/** A Responses request, without the upstream's name of the model and without `stream`. */
export interface ResponsesRequest {
  input: object[];
  store: false;
  [parameter: string]: unknown;
}

/** The request that a prompt amounts to. What nobody has asked for is left out; nothing is kept at the upstream. */
export function responsesRequest(prompt: Prompt): ResponsesRequest {
  const include = [
    ...(prompt.top_logprobs === null ? [] : ['message.output_text.logprobs']),
    ...(prompt.encrypted_reasoning ? ['reasoning.encrypted_content'] : []),
  ];
  return {
    input: prompt.items.flatMap(inputItem),
    store: false,
    ...dropEmpty({
      instructions: prompt.instructions,
      tools: prompt.tools.map(flatTool),
      tool_choice: toolChoice(prompt.tool_choice),
      parallel_tool_calls: prompt.parallel_tool_calls,
      max_output_tokens: prompt.max_output_tokens,
      temperature: prompt.temperature,
      top_p: prompt.top_p,
      presence_penalty: prompt.presence_penalty,
      frequency_penalty: prompt.frequency_penalty,
      // With `include` alone the tokens come without alternatives.
      top_logprobs: prompt.top_logprobs || null,
      include,
      text: dropEmpty({ format: prompt.format && dropNull(prompt.format), verbosity: prompt.verbosity }),
      reasoning: dropEmpty({ effort: prompt.effort, summary: prompt.summary }),
      // 'auto' is what an upstream does when it is not told.
      service_tier: prompt.service_tier === 'auto' ? null : prompt.service_tier,
      prompt_cache_key: prompt.prompt_cache_key,
      safety_identifier: prompt.safety_identifier,
      user: prompt.user,
    }),
  };
}

function inputItem(item: PromptItem): object[] {
  switch (item.type) {
    case 'message': {
      const { role, content } = item;
      if (typeof content === 'string') return [item];
      return [{ ...item, content: role === 'assistant' ? content.flatMap(outputPart) : content.map(inputPart) }];
    }
    case 'function_call':
      return [item];
    case 'function_call_output': {
      const { output } = item;
      return [{ ...item, output: typeof output === 'string' ? output : output.map(inputPart) }];
    }
    case 'reasoning':
      return reasoningItem(item);
  }
}

/** Reasoning that only another server can read is left out, and so are summaries alone: no model thinks in them. */
function reasoningItem({ type, summary, content, encrypted_content }: Extract<PromptItem, { type: 'reasoning' }>) {
  const encrypted = encrypted_content !== null && isUpstreams(encrypted_content) ? encrypted_content : null;
  if (encrypted === null && content.length === 0) return [];
  const item = { type, summary: summary.map((text) => ({ type: 'summary_text', text })) };
  if (encrypted !== null) return [{ ...item, encrypted_content: encrypted }];
  return [{ ...item, content: content.map((text) => ({ type: 'reasoning_text', text })) }];
}

function inputPart(part: InputContent): object {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return { type: 'input_text', text: part.text };
    case 'refusal':
      return { type: 'input_text', text: part.refusal };
    case 'input_image':
      return dropNull(part);
    case 'input_file':
      return { type: 'input_text', text: fileText(part) };
  }
}

/** Models say text and refusals, nothing else. */
function outputPart(part: InputContent): object[] {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return [{ type: 'output_text', text: part.text, annotations: [] }];
    case 'refusal':
      return [{ type: 'refusal', refusal: part.refusal }];
    case 'input_file':
      return [{ type: 'output_text', text: fileText(part), annotations: [] }];
    case 'input_image':
      return [];
  }
}

/** The API wants `strict` and `parameters` to be said, even if there is nothing to say. */
function flatTool({ name, description, parameters, strict }: PromptTool): object {
  return { type: 'function', name, ...dropEmpty({ description }), parameters, strict: strict ?? false };
}

function toolChoice(choice: Prompt['tool_choice']): unknown {
  return typeof choice === 'object' && choice !== null ? { type: 'function', name: choice.name } : choice;
}

/** An object without the fields that hold nothing. */
function dropEmpty(fields: object): object {
  return Object.fromEntries(Object.entries(dropNull(fields)).filter(([, value]) => !isEmpty(value)));
}

function dropNull(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
