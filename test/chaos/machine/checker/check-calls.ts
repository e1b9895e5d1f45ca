/** I5 in what was done: a step that is on record is not executed again. */
import { recordedAt } from './recorded-at.ts';
import { callsOfSteps } from './step-calls.ts';
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/** Calls that began when their step had been recorded, and calls for steps that nobody has recorded. */
export function checkCalls(subject: Subject): Finding[] {
  const { evidence } = subject;
  if (!evidence.row) return [];
  const { steps, unplaced } = callsOfSteps(subject);
  const late = steps.flatMap(({ step, calls }) => {
    const recorded = recordedAt(step, evidence);
    // What was canceled has no outcome that could be repeated; its worker may hear of that late.
    if (recorded === null || step.state === 'canceled') return [];
    return calls
      .filter((call) => call.at > recorded)
      .map((call) => `${call.name} was called ${Math.round(call.at - recorded)} ms after step ${step.id} was recorded`);
  });
  return [
    ...late.map((what): Finding => ({ invariant: 're-executed', what })),
    ...unplaced.map((call): Finding => {
      return { invariant: 'I5', what: `${call.name} was called with ${call.messages_count} messages, for no step` };
    }),
  ];
}
