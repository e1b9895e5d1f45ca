/** The tokens of a call whose upstream does not tell them. Pure. */
import type { Prompt, RecordedItem } from '@tailrace/chain';
import type { ModelItem, Usage } from '@tailrace/protocol';
import { countTokens, promptTokens } from '@tailrace/tokens';
import { toUsage } from './usage.ts';

/** What a call has taken, by what was sent and what came of it. */
export function estimateUsage(prompt: Prompt, items: readonly RecordedItem[]): Usage {
  const standing = items.filter(({ superseded }) => !superseded).map(({ item }) => item);
  const tokensOf = (these: ModelItem[]) => these.reduce((sum, item) => sum + countTokens(textOf(item)), 0);
  const reasoning = tokensOf(standing.filter(({ type }) => type === 'reasoning'));
  const rest = tokensOf(standing.filter(({ type }) => type !== 'reasoning'));
  return toUsage({ input: promptTokens(prompt), output: reasoning + rest, reasoning });
}

function textOf(item: ModelItem): string {
  switch (item.type) {
    case 'function_call':
      return `${item.name}${item.arguments}`;
    case 'reasoning':
      return [...item.summary, ...item.content].map(({ text }) => text).join('');
    case 'message':
      return item.content.map((part) => (part.type === 'refusal' ? part.refusal : part.text)).join('');
  }
}
