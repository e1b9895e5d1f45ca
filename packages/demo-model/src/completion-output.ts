import type { ErrorEnvelope } from './error-envelope.ts';
import type { Usage } from './script.ts';
import type { Delta } from './turn-plan.ts';

/** What all chunks and bodies of one completion have in common. */
export interface CompletionHead {
  /** `chatcmpl-<hex>` */
  id: string;
  /** Seconds since the epoch. */
  created: number;
  model: string;
}

/** Where a turn's steps go: an event stream or one body. Nothing is called after `finish`, `fail`, `reject` or `cut`. */
export interface CompletionOutput {
  add(delta: Delta): void;
  /** Sends what was added; true where the connection wants no more until it drains. */
  flush(): boolean;
  finish(reason: string, usage: Usage | null): void;
  /** An HTTP error instead of an answer; `retryAfter` in seconds. */
  reject(status: number, retryAfter: string | null, error: ErrorEnvelope): void;
  /** An error after the answer has begun. */
  fail(error: ErrorEnvelope): void;
  /** Sends what was added, then destroys the connection. */
  cut(): void;
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
