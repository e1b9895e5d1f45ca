/** What the calls cost is booked once each: the rows agree with the log of those who were called. */
import type { Call } from '../record/index.ts';
import { recordedAt } from './recorded-at.ts';
import { callsOfSteps, type StepCalls } from './step-calls.ts';
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/**
 * For each step: every row with a status has its call, and every call has its row, unless its worker was lost with what it
 * had to report: then the step was handed out again, or canceled, or a fault lay over the call. A row without a status is
 * of a call that may never have arrived.
 */
export function checkAnalytics(subject: Subject): Finding[] {
  if (!subject.evidence.row) return [];
  return callsOfSteps(subject).steps.flatMap((each) => {
    const what = wrongRows(subject, each);
    return what === undefined ? [] : [{ invariant: 'analytics' as const, what }];
  });
}

function wrongRows(subject: Subject, { step, calls }: StepCalls): string | undefined {
  const rows = subject.evidence.analytics.filter(({ stepId }) => stepId === step.id);
  const name = `step ${step.id} (${step.kind}, ${step.state})`;
  const answered = rows.filter(({ status }) => status !== null).length;
  if (answered > calls.length && !isUnderStorm(subject, step))
    return `${name} has ${answered} rows for ${calls.length} calls`;
  const recorded = recordedAt(step, subject.evidence);
  // A step that has not ended has not reported yet.
  if (recorded === null || step.state === 'canceled' || step.attempt > 1) return undefined;
  const expected = calls.filter((call) => !isUnderFault(subject, call, recorded)).length;
  return rows.length < expected ? `${name} has ${rows.length} rows for ${expected} calls` : undefined;
}

/** Whether a fault lay over the time from the call to the record of its step. */
function isUnderFault({ faults }: Subject, call: Call, recorded: number): boolean {
  return faults.some((fault) => fault.from <= Math.max(recorded, call.closed_at ?? recorded) && fault.to >= call.at);
}

/** Whether something else than the model or the tool may have answered, which keeps no log of its calls. */
function isUnderStorm({ faults }: Subject, step: StepCalls['step']): boolean {
  const ended = step.completedAt ?? step.failedAt ?? step.canceledAt ?? Number.POSITIVE_INFINITY;
  const target = step.kind === 'tool_call' ? 'tools' : 'upstream';
  return faults.some(
    (fault) =>
      /^upstream-\d+$/.test(fault.kind) && fault.target === target && fault.from <= ended && fault.to >= step.createdAt,
  );
}
