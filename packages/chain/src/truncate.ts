/** Making a prompt fit into a model's window. Pure. */
import type { Prompt } from './prompt.ts';
import type { PromptItem } from './prompt-items.ts';

/** Counts the tokens of a prompt. */
export type CountTokens = (prompt: Prompt) => number;

/**
 * The prompt without its oldest turns, as many as it takes until it is at most `limit` tokens long. Instructions, the
 * messages of the system and the developer, and the last turn stay. A turn begins with a message of the user, so calls
 * and their outputs go together.
 */
export function fitPrompt(prompt: Prompt, limit: number, count: CountTokens): Prompt {
  let left = count(prompt);
  if (left <= limit) return prompt;
  const turns = turnsOf(prompt.items);
  const empty = count({ ...prompt, items: [] });
  const kept: PromptItem[] = [];
  turns.forEach((turn, index) => {
    const droppable = turn.filter((item) => !isStanding(item));
    const size = count({ ...prompt, items: droppable }) - empty;
    if (left > limit && index < turns.length - 1) {
      left -= size;
      kept.push(...turn.filter(isStanding));
    } else kept.push(...turn);
  });
  return { ...prompt, items: kept };
}

function isStanding(item: PromptItem): boolean {
  return item.type === 'message' && (item.role === 'system' || item.role === 'developer');
}

function turnsOf(items: readonly PromptItem[]): PromptItem[][] {
  const turns: PromptItem[][] = [];
  for (const item of items) {
    const begins = item.type === 'message' && item.role === 'user';
    const last = turns.at(-1);
    if (last && !begins) last.push(item);
    else turns.push([item]);
  }
  return turns;
}
