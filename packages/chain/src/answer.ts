/** What the answer of a model amounts to. Pure. */
import type { OutputContent, OutputFunctionCall } from '@tailrace/protocol';
import type { ModelResult } from './step.ts';

/** The calls of a model step that stand: whole, not superseded by a later attempt, and of an answer that was not cut short. */
export function liveCalls(result: ModelResult): OutputFunctionCall[] {
  if (result.finish !== 'stop') return [];
  return result.items.flatMap(({ item, superseded }) =>
    item.type === 'function_call' && item.status === 'completed' && !superseded ? [item] : [],
  );
}

/** What the model has said, in one piece. */
export function spokenText(result: ModelResult): string {
  return result.items
    .map(({ item, superseded }) => (item.type === 'message' && !superseded ? item.content.map(textOf).join('') : ''))
    .join('');
}

function textOf(part: OutputContent): string {
  return part.type === 'refusal' ? part.refusal : part.text;
}
