/** Short names for the operations of a model's answer. */
import type { ModelOp } from '../src/model-op.ts';
import { toUsage } from '../src/usage.ts';

export type { ModelOp };

/** Usage of so many tokens. */
export function usageOp(input: number, output: number, rest: { cached?: number; reasoning?: number } = {}): ModelOp {
  return { type: 'usage', usage: toUsage({ input, output, ...rest }) };
}
