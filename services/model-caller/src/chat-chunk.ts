/** The shapes of what chat-completions servers stream, as loose as the servers are. */
import { z } from 'zod';

const textPart = z.object({ type: z.string().nullish(), text: z.string().nullish() });

/** Mistral's models think in parts of their own, which hold parts. */
const contentPart = z.object({
  type: z.string().nullish(),
  text: z.string().nullish(),
  refusal: z.string().nullish(),
  thinking: z.union([z.string(), z.array(textPart)]).nullish(),
});

const calledFunction = z.object({
  name: z.string().nullish(),
  arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
});

const toolCall = z.object({
  index: z.number().int().nullish(),
  id: z.string().nullish(),
  function: calledFunction.nullish(),
});

/** OpenRouter's account of what a model thought. */
const reasoningDetail = z.object({
  type: z.string().nullish(),
  text: z.string().nullish(),
  summary: z.string().nullish(),
  data: z.string().nullish(),
});

const delta = z.object({
  content: z.union([z.string(), z.array(z.union([z.string(), contentPart]))]).nullish(),
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  reasoning_details: z.array(reasoningDetail).nullish(),
  refusal: z.string().nullish(),
  annotations: z.array(z.unknown()).nullish(),
  tool_calls: z.array(toolCall).nullish(),
  /** What calls were before there were several. */
  function_call: calledFunction.nullish(),
});

const tokens = z.number().nullish();
const usage = z.object({
  prompt_tokens: tokens,
  completion_tokens: tokens,
  total_tokens: tokens,
  prompt_tokens_details: z.object({ cached_tokens: tokens }).nullish(),
  /** DeepSeek's name. */
  prompt_cache_hit_tokens: tokens,
  completion_tokens_details: z.object({ reasoning_tokens: tokens }).nullish(),
});

/** A chunk of a stream, or a whole completion. */
export const chatChunk = z.object({
  choices: z
    .array(
      z.object({
        index: z.number().nullish(),
        delta: delta.nullish(),
        message: delta.nullish(),
        finish_reason: z.string().nullish(),
        logprobs: z.unknown().optional(),
        /** Moonshot's place. */
        usage: usage.nullish(),
      }),
    )
    .nullish(),
  usage: usage.nullish(),
  service_tier: z.string().nullish(),
  error: z.union([z.string(), z.object({ message: z.string().nullish() })]).nullish(),
  object: z.string().nullish(),
  message: z.string().nullish(),
});

export type ChatChunk = z.output<typeof chatChunk>;
export type ChatChoice = NonNullable<ChatChunk['choices']>[number];
export type ChatDelta = z.output<typeof delta>;
export type ToolCallDelta = z.output<typeof toolCall>;
export type ChatUsage = z.output<typeof usage>;
