/**
 * What one journal entry does to a chain. Pure: time and ids come in, the rows to write come out. Each entry records one
 * outcome (the first: the creation) together with everything that follows from it, in one transaction.
 */
import type { ErrorInfo, StepId } from '@tailrace/protocol';
import { hasEnded, type ResponseRecord } from './accepted.ts';
import { isOfLaterMessage } from './attempt.ts';
import { Entry, type Transition, type TransitionContext } from './entry.ts';
import { stepsBelow, timeoutOf } from './scope.ts';
import { settle } from './settle.ts';
import { isScopeStep, isTerminal, type ModelResult, type Step, type ToolResult } from './step.ts';

/** What a worker reports of a step that has ended. */
export type StepOutcome =
  | {
      kind: 'model_call';
      result: ModelResult | null;
      error: ErrorInfo | null;
      /** Where the log ended; it is what counts in the response's own scope, where nobody else writes meanwhile. */
      nextEvent: number;
      /** How many events the step's attempts have put into the log; it is what counts in agents, which write at once. */
      events: number;
    }
  | { kind: 'tool_call'; outcome: { result: ToolResult } | { error: ErrorInfo } };

/** Whose outcome it is. */
export interface ReportAddress {
  stepId: StepId;
  attempt: number;
  startedAt: number;
  /** Whether no attempt can come to anything any more, not even one that was made since: the log has been closed to them all. */
  final?: boolean;
}

/** The first entry of a new response. `record` has no entries yet. */
export function begin(record: Omit<ResponseRecord, 'entries' | 'nextEvent'>, context: TransitionContext): Transition {
  return settle(new Entry({ ...record, entries: 1, nextEvent: 0 }, []), null, context);
}

/**
 * The entry that records a step's outcome; null when there is nothing to record, because the step or the response has
 * ended already (I5) or the step is not known, or has been taken over. An agent's call has no outcome but its scope's end.
 */
export function recordOutcome(
  record: ResponseRecord,
  chain: readonly Step[],
  report: StepOutcome & ReportAddress,
  context: TransitionContext,
): Transition | null {
  const step = chain.find((each) => each.id === report.stepId);
  if (!step || isTerminal(step) || hasEnded(record) || isScopeStep(step)) return null;
  if (!report.final && isOvertaken(step, report.attempt)) return null;
  const nextEvent = nextEventAfter(record, step, report);
  const entry = new Entry({ ...record, entries: record.entries + 1, nextEvent }, chain);
  entry.end(withOutcome(step, report), {
    attempt: report.final ? Math.max(report.attempt, step.attempt) : report.attempt,
    startedAt: step.startedAt ?? Math.min(report.startedAt, context.now),
    endedAt: context.now,
  });
  return settle(entry, step.parentStepId, context);
}

/**
 * Whether an attempt is over whatever it comes to. A model's: when a later message has the step, because what that finds in
 * the log is what clients have seen, and it may be something else. A tool's: when a later delivery of the same message has
 * said that it begins, because nothing may be recorded between its question and its call.
 */
function isOvertaken(step: Step, attempt: number): boolean {
  switch (step.kind) {
    case 'model_call':
      return isOfLaterMessage(step.attempt, attempt);
    case 'tool_call':
      return step.attempt > attempt && !isOfLaterMessage(step.attempt, attempt);
  }
}

function nextEventAfter(record: ResponseRecord, step: Step, report: StepOutcome): number {
  if (report.kind === 'tool_call') return record.nextEvent;
  return step.parentStepId === null ? Math.max(report.nextEvent, record.nextEvent) : record.nextEvent + report.events;
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
  { partial, nextEvent }: Published,
  end: { status: 'cancelled' | 'failed'; error?: ErrorInfo; endedAt: number },
): Transition | null {
  if (hasEnded(record)) return null;
  const after = Math.max(record.nextEvent, nextEvent);
  const entry = new Entry({ ...record, ...end, entries: record.entries + 1, nextEvent: after }, chain);
  cancelSteps(entry, chain, partial, end.endedAt);
  return entry.transition();
}

/** What the open steps of an agent, and of all below it, have published. */
export interface PublishedInScope {
  partial: ReadonlyMap<StepId, ModelResult>;
  /** How many events they have put into the log, all their attempts together. */
  events: number;
}

/**
 * The entry that ends an agent whose time is up: what is open below its call ends as it stands, the call fails, and whoever
 * has made it goes on. Null when it has ended already, or the call has opened nothing.
 */
export function expireScope(
  record: ResponseRecord,
  chain: readonly Step[],
  scope: StepId,
  { partial, events }: PublishedInScope,
  context: TransitionContext,
): Transition | null {
  const opener = chain.find((step) => step.id === scope);
  if (!opener || !isScopeStep(opener) || isTerminal(opener) || hasEnded(record)) return null;
  const counted = { ...record, entries: record.entries + 1, nextEvent: record.nextEvent + events };
  const entry = new Entry(counted, chain);
  cancelSteps(entry, stepsBelow(chain, scope), partial, context.now);
  const error = timeoutOf(record.request, chain, scope);
  entry.end({ ...opener, outcome: { state: 'failed', error, result: null } }, { endedAt: context.now });
  return settle(entry, opener.parentStepId, context);
}

/** Whatever is open ends as it stands. */
function cancelSteps(entry: Entry, steps: readonly Step[], partial: Published['partial'], endedAt: number): void {
  for (const step of steps.filter((each) => !isTerminal(each))) {
    const canceled: Step =
      step.kind === 'model_call'
        ? { ...step, outcome: { state: 'canceled', result: partial.get(step.id) ?? null } }
        : { ...step, outcome: { state: 'canceled', result: null } };
    entry.end(canceled, { endedAt });
  }
}

function withOutcome(step: Step, report: StepOutcome): Step {
  if (step.kind === 'model_call' && report.kind === 'model_call') {
    const { result, error } = report;
    if (error) return { ...step, outcome: { state: 'failed', error, result } };
    if (result) return { ...step, outcome: { state: 'completed', result } };
  }
  if (step.kind === 'tool_call' && report.kind === 'tool_call') {
    const { outcome } = report;
    if ('error' in outcome) return { ...step, outcome: { state: 'failed', error: outcome.error, result: null } };
    return { ...step, outcome: { state: 'completed', result: outcome.result } };
  }
  throw new Error(`the report of step ${step.id} is not one of a ${step.kind}`);
}
