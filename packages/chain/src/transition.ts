/**
 * What one journal entry does to a chain. Pure: time and ids come in, the rows to write come out. Each entry records one
 * outcome (the first: the creation) together with everything that follows from it, in one transaction.
 */
import type { ErrorInfo, StepId } from '@tailrace/protocol';
import { hasEnded, type ResponseRecord } from './accepted.ts';
import { isOfLaterMessage } from './attempt.ts';
import { type NewStep, nextAction } from './next-action.ts';
import { project } from './project.ts';
import { isTerminal, type ModelResult, type Step, stepsOf, type ToolResult } from './step.ts';

/** A response's chain after an entry. */
export interface Transition {
  record: ResponseRecord;
  chain: Step[];
  /** The steps whose outcomes the entry records. */
  changed: Step[];
  /** The steps that the entry adds, in their order. */
  added: Step[];
}

/** What a worker reports of a step that has ended. */
export type StepOutcome =
  | { kind: 'model_call'; result: ModelResult | null; error: ErrorInfo | null; nextEvent: number }
  | { kind: 'tool_call'; outcome: { result: ToolResult } | { error: ErrorInfo } };

/** When, and under which names. Times are milliseconds since the epoch. */
export interface TransitionContext {
  now: number;
  newId(): StepId;
}

/** The first entry of a new response. `record` has no entries yet. */
export function begin(record: Omit<ResponseRecord, 'entries' | 'nextEvent'>, context: TransitionContext): Transition {
  return settle({ ...record, entries: 1, nextEvent: 0 }, [], [], context);
}

/**
 * The entry that records a step's outcome; null when there is nothing to record, because the step or the response has
 * ended already (I5) or the step is not known, or a later message has the step of a model: what that finds in the log is
 * what clients have seen, and it may be something else.
 */
export function recordOutcome(
  record: ResponseRecord,
  chain: readonly Step[],
  report: StepOutcome & { stepId: StepId; attempt: number; startedAt: number },
  context: TransitionContext,
): Transition | null {
  const step = chain.find((each) => each.id === report.stepId);
  if (!step || isTerminal(step) || hasEnded(record)) return null;
  if (step.kind === 'model_call' && isOfLaterMessage(step.attempt, report.attempt)) return null;
  const entry = record.entries + 1;
  const ended = {
    attempt: report.attempt,
    endedEntry: entry,
    startedAt: step.startedAt ?? Math.min(report.startedAt, context.now),
    endedAt: context.now,
  };
  const changed = withOutcome(step, report, ended);
  const next = chain.map((each) => (each.id === changed.id ? changed : each));
  const nextEvent = report.kind === 'model_call' ? Math.max(report.nextEvent, record.nextEvent) : record.nextEvent;
  return settle({ ...record, entries: entry, nextEvent }, next, [changed], context);
}

/** What the open steps of a response have published, and the number that its log's next event has. */
export interface Published {
  partial: ReadonlyMap<StepId, ModelResult>;
  nextEvent: number;
}

/** The entry that cancels a response: whatever is open ends as it stands. Null when the response has ended already. */
export function cancel(
  record: ResponseRecord,
  chain: readonly Step[],
  published: Published,
  now: number,
): Transition | null {
  return breakOff(record, chain, published, { status: 'cancelled', endedAt: now });
}

/** The entry that ends a response which has taken too long, likewise. */
export function expire(
  record: ResponseRecord,
  chain: readonly Step[],
  published: Published,
  error: ErrorInfo,
  now: number,
): Transition | null {
  return breakOff(record, chain, published, { status: 'failed', error, endedAt: now });
}

function breakOff(
  record: ResponseRecord,
  chain: readonly Step[],
  published: Published,
  end: { status: 'cancelled' | 'failed'; error?: ErrorInfo; endedAt: number },
): Transition | null {
  if (hasEnded(record)) return null;
  const entry = record.entries + 1;
  const changed: Step[] = [];
  const next = chain.map((step) => {
    if (isTerminal(step)) return step;
    const ended = { endedEntry: entry, endedAt: end.endedAt };
    const canceled: Step =
      step.kind === 'model_call'
        ? { ...step, ...ended, outcome: { state: 'canceled', result: published.partial.get(step.id) ?? null } }
        : { ...step, ...ended, outcome: { state: 'canceled', result: null } };
    changed.push(canceled);
    return canceled;
  });
  const over: ResponseRecord = { ...record, ...end, entries: entry };
  const nextEvent = Math.max(record.nextEvent, published.nextEvent);
  const events = project(over, next, entry - 1).length;
  return { record: { ...over, nextEvent: nextEvent + events }, chain: next, changed, added: [] };
}

type Ended = Pick<Step, 'attempt' | 'endedEntry' | 'startedAt' | 'endedAt'>;

function withOutcome(step: Step, report: StepOutcome, ended: Ended): Step {
  if (step.kind === 'model_call' && report.kind === 'model_call') {
    const { result, error } = report;
    if (error) return { ...step, ...ended, outcome: { state: 'failed', error, result } };
    if (result) return { ...step, ...ended, outcome: { state: 'completed', result } };
  }
  if (step.kind === 'tool_call' && report.kind === 'tool_call') {
    const { outcome } = report;
    if ('error' in outcome)
      return { ...step, ...ended, outcome: { state: 'failed', error: outcome.error, result: null } };
    return { ...step, ...ended, outcome: { state: 'completed', result: outcome.result } };
  }
  throw new Error(`the report of step ${step.id} is not one of a ${step.kind}`);
}

/** Takes actions until only waiting is left, or the response has ended. */
function settle(
  start: ResponseRecord,
  startChain: readonly Step[],
  changed: Step[],
  context: TransitionContext,
): Transition {
  let record = start;
  let chain = [...startChain];
  const added: Step[] = [];
  while (!hasEnded(record)) {
    const action = nextAction(record.request, chain, null);
    if (action.type === 'wait') break;
    if (action.type === 'append') {
      for (const step of action.steps) {
        const made = makeStep(chain, step, record.entries, context);
        chain = [...chain, made];
        added.push(made);
      }
      continue;
    }
    record = { ...record, endedAt: context.now };
    switch (action.type) {
      case 'complete':
        record = { ...record, status: 'completed' };
        break;
      case 'incomplete':
        record =
          action.reason === 'cancelled'
            ? { ...record, status: 'cancelled' }
            : { ...record, status: 'incomplete', incompleteReason: action.reason };
        break;
      case 'fail':
        record = { ...record, status: 'failed', error: action.error };
        break;
    }
  }
  const events = project(record, chain, record.entries - 1).length;
  return { record: { ...record, nextEvent: record.nextEvent + events }, chain, changed, added };
}

function makeStep(chain: readonly Step[], step: NewStep, entry: number, context: TransitionContext): Step {
  const base = {
    id: context.newId(),
    parentStepId: null,
    prevStepId: stepsOf(chain, null).at(-1)?.id ?? null,
    sequence: chain.length + 1,
    attempt: 1,
    addedEntry: entry,
    createdAt: context.now,
    startedAt: null,
  };
  const open = { ...base, endedEntry: null, endedAt: null, outcome: { state: 'pending' as const } };
  if (step.kind === 'model_call') return { ...open, kind: step.kind, request: step.request };
  const { kind, request, refusal } = step;
  if (refusal === null) return { ...open, kind, request };
  const outcome = { state: 'failed' as const, error: refusal, result: null };
  return { ...base, kind, request, endedEntry: entry, endedAt: context.now, outcome };
}
