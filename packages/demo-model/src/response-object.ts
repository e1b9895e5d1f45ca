import { isRecord } from './record.ts';
import type { Usage } from './script.ts';

/** What is known of a response before anything is said. */
export interface ResponseHead {
  id: string;
  /** Seconds since the epoch. */
  createdAt: number;
  /** The request as it was sent; its parameters are echoed. */
  body: unknown;
  /** The service tier that is told; null: `default`. */
  tier: string | null;
}

/** What becomes of a response. */
export interface ResponseState {
  status: 'in_progress' | 'completed' | 'incomplete' | 'failed';
  output: object[];
  usage: Usage | null;
  error: { code: string; message: string } | null;
  incompleteReason: 'max_output_tokens' | 'content_filter' | null;
  /** Seconds since the epoch. */
  completedAt: number | null;
}

const defaults = {
  previous_response_id: null,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  parallel_tool_calls: true,
  tool_choice: 'auto',
  truncation: 'disabled',
  temperature: 1,
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  top_logprobs: 0,
  store: true,
  background: false,
  metadata: {},
  user: null,
  safety_identifier: null,
  prompt_cache_key: null,
};

/** A response as the Responses API words it. */
export function responseObject({ id, createdAt, body, tier }: ResponseHead, state: ResponseState): object {
  const asked = isRecord(body) ? body : {};
  const echoed = Object.entries(defaults).map(([name, value]) => [name, asked[name] ?? value]);
  return {
    id,
    object: 'response',
    created_at: createdAt,
    status: state.status,
    completed_at: state.completedAt,
    error: state.error,
    incomplete_details: state.incompleteReason === null ? null : { reason: state.incompleteReason },
    model: asked.model,
    output: state.output,
    ...Object.fromEntries(echoed),
    reasoning: { effort: null, summary: null, ...(isRecord(asked.reasoning) ? asked.reasoning : {}) },
    text: { format: { type: 'text' }, ...(isRecord(asked.text) ? asked.text : {}) },
    tools: Array.isArray(asked.tools) ? (asked.tools as unknown[]).map(toolEcho) : [],
    service_tier: tier ?? 'default',
    usage: state.usage === null ? null : usageEcho(state.usage),
  };
}

function toolEcho(tool: unknown): unknown {
  if (!isRecord(tool) || tool.type !== 'function') return tool;
  return { description: null, parameters: null, strict: true, ...tool };
}

function usageEcho(usage: Usage): object {
  return {
    input_tokens: usage.prompt,
    input_tokens_details: { cached_tokens: usage.cached },
    output_tokens: usage.completion,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: usage.prompt + usage.completion,
  };
}
