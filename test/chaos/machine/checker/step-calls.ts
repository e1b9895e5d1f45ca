import type { Call } from '../record/index.ts';
import type { StepRow } from './evidence.ts';
import type { Subject } from './subject.ts';

/** The calls that were made for a step. */
export interface StepCalls {
  step: StepRow;
  calls: readonly Call[];
}

/** A scope: the step that opened it; null for the response's own. */
type Scope = string | null;

/**
 * Which calls were made for which step. A tool's call names its step. A model's is told by what the model is asked, which
 * begins with the response's marker or with what one of its agents was told, and by the length of its prompt, which grows
 * from step to step of a scope; where it begins with neither, by its row. `unplaced` are calls of the model for which the
 * chain has no step.
 */
export function callsOfSteps({ record, evidence, calls }: Pick<Subject, 'record' | 'evidence' | 'calls'>): {
  steps: StepCalls[];
  unplaced: readonly Call[];
} {
  const scopes = new Map<string, Scope>([[record.marker, null]]);
  for (const { id, task } of evidence.steps) if (task !== null) scopes.set(task, id);
  const known = new Set(evidence.steps.map(({ id }) => id));
  const booked = new Map(
    evidence.analytics.flatMap(({ id, stepId }) => (known.has(stepId) ? [[id, stepId] as const] : [])),
  );
  const byStep = new Map<string, Call[]>();
  const byScope = new Map<Scope, Call[]>();
  const unplaced: Call[] = [];
  for (const call of calls) {
    const scope = scopes.get(promptOf(call));
    const step = call.kind === 'tool' ? call.idempotency_key : booked.get(call.client_request_id ?? '');
    if (call.kind === 'model' && scope !== undefined) add(byScope, scope, call);
    else if (step != null) add(byStep, step, call);
    else if (call.kind === 'model') unplaced.push(call);
  }
  for (const [scope, asked] of byScope) {
    const open = evidence.steps.filter(({ kind, parentStepId }) => kind === 'model_call' && parentStepId === scope);
    const byLength = Map.groupBy(asked, ({ messages_count }) => messages_count ?? 0);
    const turns = [...byLength].sort(([a], [b]) => a - b).map(([, turn]) => turn);
    for (const [index, turn] of turns.entries()) {
      const step = open[index];
      for (const call of turn) if (step) add(byStep, step.id, call);
      if (!step) unplaced.push(...turn);
    }
  }
  return { steps: evidence.steps.map((step) => ({ step, calls: byStep.get(step.id) ?? [] })), unplaced };
}

/** The first line of what a model is asked; empty where it is not asked anything. */
export function promptOf({ text }: Pick<Call, 'text'>): string {
  return text?.split('\n', 1)[0] ?? '';
}

function add<Key>(map: Map<Key, Call[]>, key: Key, call: Call): void {
  const known = map.get(key);
  if (known) known.push(call);
  else map.set(key, [call]);
}
