import type { Usage } from '@tailrace/protocol';
import type { TokenPrice } from '@tailrace/registry';

const PER = 1_000_000;

/** What so many tokens cost, in the currency of the price; null where either is not known. */
export function costOf(price: TokenPrice | null, usage: Usage | null): number | null {
  if (price === null || usage === null) return null;
  const cached = Math.min(usage.input_tokens, usage.input_tokens_details.cached_tokens);
  const { input, cachedInput, output } = price;
  return ((usage.input_tokens - cached) * input + cached * cachedInput + usage.output_tokens * output) / PER;
}
