import type { Prompt, PromptItem } from '@tailrace/chain';
import type { InputContent } from '@tailrace/protocol';
import { TokenCounter } from './count.ts';

/** What stands around each message: its role and its ends. */
const MESSAGE_TOKENS = 4;
/** An image of 1024 × 1024 pixels in high detail, as OpenAI counts it; nobody looks into images here. */
const IMAGE_TOKENS = 765;

/** The tokens of a whole prompt: instructions, items, tools and the schema of the answer. Reasoning is not told again. */
export function promptTokens(prompt: Prompt): number {
  const counter = new TokenCounter();
  if (prompt.instructions) {
    counter.add(MESSAGE_TOKENS);
    counter.count(prompt.instructions);
  }
  for (const item of prompt.items) countItem(counter, item);
  for (const tool of prompt.tools) counter.count(JSON.stringify(tool));
  if (prompt.format?.type === 'json_schema') counter.count(JSON.stringify(prompt.format.schema));
  return counter.tokens;
}

function countItem(counter: TokenCounter, item: PromptItem): void {
  if (item.type === 'reasoning') return;
  counter.add(MESSAGE_TOKENS);
  switch (item.type) {
    case 'message':
      countContent(counter, item.content);
      return;
    case 'function_call':
      counter.count(item.name);
      counter.count(item.arguments);
      return;
    case 'function_call_output':
      countContent(counter, item.output);
      return;
  }
}

function countContent(counter: TokenCounter, content: string | readonly InputContent[]): void {
  if (typeof content === 'string') {
    counter.count(content);
    return;
  }
  for (const part of content) countPart(counter, part);
}

function countPart(counter: TokenCounter, part: InputContent): void {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      counter.count(part.text);
      return;
    case 'refusal':
      counter.count(part.refusal);
      return;
    case 'input_file':
      counter.count(part.filename ?? '');
      counter.count(part.text ?? '');
      return;
    case 'input_image':
      counter.add(IMAGE_TOKENS);
      return;
  }
}
