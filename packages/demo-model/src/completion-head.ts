import type { Usage } from './script.ts';

/** What all chunks and bodies of one completion have in common. */
export interface CompletionHead {
  /** `chatcmpl-<hex>` */
  id: string;
  /** Seconds since the epoch. */
  created: number;
  model: string;
  /** Left out where the turn names none. */
  service_tier?: string;
}

/** Token counts as chat completions word them. */
export function usageObject(usage: Usage): object {
  return {
    prompt_tokens: usage.prompt,
    completion_tokens: usage.completion,
    total_tokens: usage.prompt + usage.completion,
    prompt_tokens_details: { cached_tokens: usage.cached },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}
