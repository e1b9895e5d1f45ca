/** What follows from an outcome, in the scopes that it matters to. Pure. */
import { errorInfo } from '@tailrace/protocol';
import type { ResponseRecord } from './accepted.ts';
import { spokenText } from './answer.ts';
import type { Entry, Transition, TransitionContext } from './entry.ts';
import { type Action, nextAction } from './next-action.ts';
import { openerOf, pathOf, timeoutOf } from './scope.ts';
import { isScopeStep, isTerminal, resultOf, type Scope, type Step, stepsOf, type ToolStep } from './step.ts';

/**
 * Takes actions until only waiting is left, or the response has ended: in `scope`, in the scopes that are opened on the
 * way, and, when a scope has ended, in the one around it. Nothing has happened in any other.
 */
export function settle(entry: Entry, scope: Scope, context: TransitionContext): Transition {
  const scopes: Scope[] = [scope];
  for (let at = scopes.pop(); at !== undefined; at = scopes.pop()) {
    const action = inTime(entry, at, context);
    switch (action.type) {
      case 'wait':
        break;
      case 'append': {
        const added = action.steps.map((step) => entry.add(step, at, context));
        // The inner scopes are looked at in the order of their calls, and this one after them.
        scopes.push(
          at,
          ...added
            .filter(isOpenScope)
            .map(({ id }) => id)
            .reverse(),
        );
        break;
      }
      case 'complete':
      case 'incomplete':
      case 'fail': {
        const opener = openerOf(entry.chain, at);
        if (opener === null) entry.record = { ...entry.record, ...responseEnd(action), endedAt: context.now };
        else {
          entry.end({ ...opener, outcome: agentOutcome(entry.chain, opener, action) }, { endedAt: context.now });
          if (!scopes.includes(opener.parentStepId)) scopes.push(opener.parentStepId);
        }
      }
    }
  }
  return entry.transition();
}

/** The next action in a scope. An agent whose time is up, or that of one around it, begins nothing more, and has said nothing. */
function inTime(
  { record: { request }, chain }: Entry,
  scope: Scope,
  { overdue, checkArguments }: TransitionContext,
): Action {
  const action = nextAction(request, chain, scope, checkArguments);
  if (action.type !== 'append' && action.type !== 'complete') return action;
  const late = pathOf(chain, scope).find((around) => around !== null && overdue.has(around));
  return late ? { type: 'fail', error: timeoutOf(request, chain, late) } : action;
}

function isOpenScope(step: Step): boolean {
  return isScopeStep(step) && !isTerminal(step);
}

/** How a scope ends. */
type End = Extract<Action, { type: 'complete' | 'incomplete' | 'fail' }>;

function responseEnd(end: End): Pick<ResponseRecord, 'status' | 'error' | 'incompleteReason'> {
  const none = { error: null, incompleteReason: null };
  switch (end.type) {
    case 'complete':
      return { ...none, status: 'completed' };
    case 'incomplete':
      return end.reason === 'cancelled'
        ? { ...none, status: 'cancelled' }
        : { ...none, status: 'incomplete', incompleteReason: end.reason };
    case 'fail':
      return { ...none, status: 'failed', error: end.error };
  }
}

/** The output of an agent is what its model said last. */
function agentOutcome(chain: readonly Step[], opener: ToolStep, end: End): ToolStep['outcome'] {
  switch (end.type) {
    case 'complete': {
      const last = stepsOf(chain, opener.id).findLast((step) => step.kind === 'model_call');
      const result = last?.kind === 'model_call' ? resultOf(last.outcome) : null;
      return { state: 'completed', result: { output: result === null ? '' : spokenText(result) } };
    }
    case 'incomplete': {
      const error = errorInfo('agent_incomplete', { name: opener.request.tool, reason: end.reason });
      return { state: 'failed', error, result: null };
    }
    case 'fail':
      return { state: 'failed', error: end.error, result: null };
  }
}
