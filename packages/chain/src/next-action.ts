/**
 * The loop: what follows from a chain. Pure; the chain is all the memory there is, so a resume decides as the first run did.
 *
 * 1. An empty scope begins with what it has to know (what MCP servers can do) and to make good (calls that were approved);
 *    then, or at once, its model is called.
 * 2. A model call without calls of tools ends the scope.
 * 3. A model call with calls that the server can run is followed by all of them at once; calls of the client's own
 *    functions, and calls that the client has to approve, end the turn, after the server's. A call of what nobody offers is
 *    answered with an error.
 * 4. When every sibling is terminal, the model is called again.
 * 5. A failed tool is the model's to read; a failed model call fails the scope.
 * 6. A call of an agent opens a scope, and the end of the scope is the call's.
 * 7. Caps are counted from the chain.
 */
import { type ErrorInfo, errorInfo, type IncompleteReason } from '@tailrace/protocol';
import type { AcceptedRequest } from './accepted.ts';
import { liveCalls } from './answer.ts';
import { type CheckArguments, callSteps, firstSteps, type NewStep } from './new-steps.ts';
import { rulesOf } from './scope.ts';
import { isTerminal, type ModelResult, type Scope, type Step, stepsOf } from './step.ts';

/** What follows from a chain in one scope. */
export type Action =
  /** Steps are under way: their results decide. */
  | { type: 'wait' }
  | { type: 'append'; steps: NewStep[] }
  | { type: 'complete' }
  | { type: 'incomplete'; reason: IncompleteReason }
  | { type: 'fail'; error: ErrorInfo };

/** The next action in `scope`. Total: every chain has exactly one. */
export function nextAction(
  request: AcceptedRequest,
  chain: readonly Step[],
  scope: Scope,
  check: CheckArguments,
): Action {
  const steps = stepsOf(chain, scope);
  if (steps.some((step) => !isTerminal(step))) return { type: 'wait' };
  if (steps.some((step) => step.outcome.state === 'canceled')) return { type: 'incomplete', reason: 'cancelled' };
  const lastModel = steps.findLastIndex((step) => step.kind === 'model_call');
  const model = steps[lastModel];
  if (model?.kind !== 'model_call') {
    const first = steps.length === 0 ? firstSteps(request, chain, scope) : [];
    return first.length > 0 ? { type: 'append', steps: first } : callModel(request, chain, scope);
  }
  switch (model.outcome.state) {
    case 'pending':
    case 'processing':
      return { type: 'wait' };
    case 'canceled':
      return { type: 'incomplete', reason: 'cancelled' };
    case 'failed':
      return { type: 'fail', error: model.outcome.error };
    case 'completed':
      return afterModel(request, chain, scope, model.outcome.result, steps.slice(lastModel + 1), check);
  }
}

function afterModel(
  request: AcceptedRequest,
  chain: readonly Step[],
  scope: Scope,
  result: ModelResult,
  siblings: readonly Step[],
  check: CheckArguments,
): Action {
  switch (result.finish) {
    case 'length':
      return { type: 'incomplete', reason: 'max_output_tokens' };
    case 'content_filter':
      return { type: 'incomplete', reason: 'content_filter' };
    case 'stop':
      break;
  }
  const calls = liveCalls(result);
  const clients = new Set(scope === null ? request.body.tools?.map((tool) => tool.name) : []);
  const toRun = calls.filter((call) => !clients.has(call.name));
  if (siblings.length === 0 && toRun.length > 0) {
    return { type: 'append', steps: callSteps(request, chain, scope, toRun, check) };
  }
  const theirTurn = calls.length > toRun.length || siblings.some(isQuestion);
  return theirTurn || toRun.length === 0 ? { type: 'complete' } : callModel(request, chain, scope);
}

function isQuestion(step: Step): boolean {
  return step.kind === 'tool_call' && step.request.mcp?.do === 'ask';
}

function callModel(request: AcceptedRequest, chain: readonly Step[], scope: Scope): Action {
  const { maxIterations: limit, model } = rulesOf(request, chain, scope);
  const models = stepsOf(chain, scope).filter((step) => step.kind === 'model_call').length;
  if (models >= limit) return { type: 'fail', error: errorInfo('max_iterations_exceeded', { limit }) };
  if (outputTokensLeft(request, chain, scope) === 0) return { type: 'incomplete', reason: 'max_output_tokens' };
  return { type: 'append', steps: [{ kind: 'model_call', request: { model } }] };
}

/** What `max_output_tokens` leaves for the next model call; null without a limit, as in agents. */
export function outputTokensLeft(request: AcceptedRequest, chain: readonly Step[], scope: Scope): number | null {
  const limit = request.body.max_output_tokens;
  if (scope !== null || limit === null || limit === undefined) return null;
  const spent = stepsOf(chain, scope).reduce((sum, step) => {
    if (step.kind !== 'model_call' || step.outcome.state !== 'completed') return sum;
    return sum + (step.outcome.result.usage?.output_tokens ?? 0);
  }, 0);
  return Math.max(0, limit - spent);
}
