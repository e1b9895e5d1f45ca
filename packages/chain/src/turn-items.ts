/** What a response adds to the conversation it is made in. Pure. */
import { itemId, type KeptItem } from '@tailrace/protocol';
import type { ResponseRecord } from './accepted.ts';
import { liveCalls } from './answer.ts';
import type { Turn } from './prompt-items.ts';
import { type Step, stepsOf } from './step.ts';
import { toolItem } from './tool-item.ts';

/**
 * The input of a response and what came of it, each item with its id. Nothing of what was given up on the way: no
 * superseded item, and no call that will never have an output.
 */
export function turnItems(record: ResponseRecord, chain: readonly Step[]): KeptItem[] {
  const input = record.request.body.input.map((item, position): KeptItem => {
    return { ...item, id: item.id ?? itemId(item.type, record.id, position) };
  });
  return [...input, ...stepsOf(chain, null).flatMap(producedItems)];
}

/** What turns have added, in their order, likewise. */
export function itemsOfTurns(turns: readonly Turn[]): KeptItem[] {
  return turns.flatMap(({ items, chain }) => [...items, ...stepsOf(chain, null).flatMap(producedItems)]);
}

function producedItems(step: Step): KeptItem[] {
  if (step.kind === 'tool_call') return [toolItem(step)];
  if (step.outcome.state !== 'completed') return [];
  const { result } = step.outcome;
  const live = new Set(liveCalls(result).map((call) => call.id));
  return result.items.flatMap(({ item, superseded, held_back }): KeptItem[] => {
    if (superseded || held_back || (item.type === 'function_call' && !live.has(item.id))) return [];
    return [item];
  });
}
