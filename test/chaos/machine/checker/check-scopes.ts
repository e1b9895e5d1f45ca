/** I5 below agents: the steps of each scope are one line, which begins and ends within the call that opened the scope. */
import type { StepRow } from './evidence.ts';

/** What is wrong with the places of the steps of a response. */
export function brokenScopes(steps: readonly StepRow[]): string[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  return steps.flatMap((step) => {
    const { parentStepId, prevStepId } = step;
    const previous = prevStepId === null ? null : byId.get(prevStepId);
    if (previous === undefined) return [`step ${step.id} follows ${prevStepId}, which is not there`];
    if (previous !== null && previous.parentStepId !== parentStepId) {
      return [`step ${step.id} follows ${prevStepId}, which is of another scope`];
    }
    if (previous !== null && previous.sequence >= step.sequence) {
      return [`step ${step.id} follows ${prevStepId}, which was added later`];
    }
    return (parentStepId === null ? undefined : brokenPlace(step, byId.get(parentStepId))) ?? [];
  });
}

/** What is wrong with a step below a call. */
function brokenPlace(step: StepRow, opener: StepRow | undefined): string | undefined {
  const name = `step ${step.id} (${step.kind}, ${step.state})`;
  if (opener === undefined) return `${name} is below ${step.parentStepId}, which is not there`;
  if (opener.task === null) return `${name} is below ${opener.id} (${opener.kind}), which no agent answers`;
  if (step.addedEntry < opener.addedEntry || step.sequence <= opener.sequence) {
    return `${name} was added before the agent's call, ${opener.id}`;
  }
  const { endedEntry } = opener;
  if (endedEntry === null) return undefined;
  if (step.endedEntry === null) return `${name} is open, and its agent's call, ${opener.id}, has ended`;
  return step.endedEntry > endedEntry
    ? `${name} was ended by entry ${step.endedEntry}, its agent's call, ${opener.id}, by ${endedEntry}`
    : undefined;
}
