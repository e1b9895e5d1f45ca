/** Breaks off model steps: their log is closed to them, and what clients have seen of them is their result. */
import type { LogPosition } from '@tailrace/bus';
import { isTerminal, type ModelResult, type ModelStep, type Scope, type Step } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import type { ModelItem, StepId, Usage } from '@tailrace/protocol';
import { UnsealError } from '@tailrace/registry';
import { countTokens, promptTokens } from '@tailrace/tokens';
import { closeStepLogs } from './close-step-log.ts';
import type { OrchestratorContext } from './context.ts';
import { loadPrompt } from './history.ts';
import { bringLogUpToDate } from './projector.ts';

/** What a step that was broken off has left. */
export interface BrokenOff {
  /** Null when clients have seen nothing of it. */
  result: ModelResult | null;
  /** How many events it has put into the log. */
  events: number;
}

/** Whether a step is a call of a model that somebody may be writing. */
export function isOpenModelStep(step: Step): step is ModelStep {
  return step.kind === 'model_call' && !isTerminal(step);
}

/**
 * Nothing more can be appended for these steps of a response after this. Resolves with what they have left, and where the
 * log ends.
 */
export async function breakOffSteps(
  context: OrchestratorContext,
  stored: StoredResponse,
  steps: readonly ModelStep[],
  signal: AbortSignal,
): Promise<{ left: Map<StepId, BrokenOff>; end: LogPosition }> {
  const left = new Map<StepId, BrokenOff>();
  const position = await bringLogUpToDate(context, stored, undefined, signal);
  if (steps.length === 0) return { left, end: position };
  const { closed, end } = await closeStepLogs(context, stored, steps, signal);
  for (const step of steps) {
    const { items, events } = closed.get(step.id) ?? { items: [], events: 0 };
    left.set(step.id, { result: await resultOf(context, stored, step.parentStepId, items), events });
  }
  return { left, end };
}

async function resultOf(
  context: OrchestratorContext,
  stored: StoredResponse,
  scope: Scope,
  items: readonly ModelItem[],
): Promise<ModelResult | null> {
  if (items.length === 0) return null;
  const usage = await estimate(context, stored, scope, items);
  return { items: items.map((item) => ({ item })), finish: 'stop', usage };
}

/** An upstream that was cut off tells no usage. Null where the prompt cannot be read any more. */
async function estimate(
  context: OrchestratorContext,
  { record, chain }: StoredResponse,
  scope: Scope,
  items: readonly ModelItem[],
): Promise<Usage | null> {
  let input: number;
  try {
    input = promptTokens(await loadPrompt(context, record, chain, scope));
  } catch (error) {
    if (error instanceof UnsealError) return null;
    throw error;
  }
  const reasoning = countTokens(items.map(reasoningText).join(''));
  const output = reasoning + countTokens(items.map(spokenText).join(''));
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}

function reasoningText(item: ModelItem): string {
  return item.type === 'reasoning' ? [...item.summary, ...item.content].map((part) => part.text).join('') : '';
}

function spokenText(item: ModelItem): string {
  switch (item.type) {
    case 'message':
      return item.content.map((part) => (part.type === 'refusal' ? part.refusal : part.text)).join('');
    case 'function_call':
      return `${item.name}${item.arguments}`;
    case 'reasoning':
      return '';
  }
}
