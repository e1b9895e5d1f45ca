import type { Call } from '../record/index.ts';
import type { StepRow } from './evidence.ts';
import type { Subject } from './subject.ts';

/** The calls that were made for a step. */
export interface StepCalls {
  step: StepRow;
  calls: readonly Call[];
}

/**
 * Which calls were made for which step. A tool's call names its step; a model's is told by the length of its prompt, which
 * grows from step to step. `unplaced` are calls of the model for which the chain has no step. The calls of a sub-agent's
 * model cannot be told apart, and are left out with their steps.
 */
export function callsOfSteps({ evidence, calls }: Pick<Subject, 'evidence' | 'calls'>): {
  steps: StepCalls[];
  unplaced: readonly Call[];
} {
  const byLength = new Map<number, Call[]>();
  const byStep = new Map<string, Call[]>();
  for (const call of calls) {
    if (call.kind === 'model') add(byLength, call.messages_count ?? 0, call);
    else if (call.idempotency_key !== null) add(byStep, call.idempotency_key, call);
  }
  const turns = [...byLength].sort(([a], [b]) => a - b).map(([, turn]) => turn);
  const steps = evidence.steps.flatMap((step): StepCalls[] => {
    if (step.kind === 'tool_call') return [{ step, calls: byStep.get(step.id) ?? [] }];
    return step.parentStepId === null ? [{ step, calls: turns.shift() ?? [] }] : [];
  });
  return { steps, unplaced: turns.flat() };
}

function add<Key>(map: Map<Key, Call[]>, key: Key, call: Call): void {
  const known = map.get(key);
  if (known) known.push(call);
  else map.set(key, [call]);
}
