import type { Usage } from '@tailrace/protocol';

/** What an upstream tells of the tokens it took; what it leaves out is null or undefined. */
export interface ToldUsage {
  input?: number | null | undefined;
  cached?: number | null | undefined;
  output?: number | null | undefined;
  reasoning?: number | null | undefined;
  total?: number | null | undefined;
}

/** Usage in the form of the API. */
export function toUsage({ input, cached, output, reasoning, total }: ToldUsage): Usage {
  const input_tokens = count(input);
  const output_tokens = count(output);
  return {
    input_tokens,
    input_tokens_details: { cached_tokens: count(cached) },
    output_tokens,
    output_tokens_details: { reasoning_tokens: count(reasoning) },
    total_tokens: total === null || total === undefined ? input_tokens + output_tokens : count(total),
  };
}

function count(tokens: number | null | undefined): number {
  return Math.max(0, Math.trunc(tokens ?? 0));
}
