/**
 * The loop: what follows from a chain. Pure; the chain is all the memory there is, so a resume decides as the first run did.
 *
 * 1. An empty scope begins with one model call.
 * 2. A model call without calls of tools ends the scope.
 * 3. A model call with calls that the server can run is followed by all of them at once; calls of the client's own
 *    functions end the turn, after the server's. A call of what nobody offers is answered with an error.
 * 4. When every sibling is terminal, the model is called again.
 * 5. A failed tool is the model's to read; a failed model call fails the scope.
 * 6. Caps are counted from the chain.
 */
import { type ErrorInfo, errorInfo, type IncompleteReason, type OutputFunctionCall } from '@tailrace/protocol';
import type { AcceptedRequest } from './accepted.ts';
import {
  isTerminal,
  type ModelCallRequest,
  type ModelResult,
  type Scope,
  type Step,
  stepsOf,
  type ToolCallRequest,
} from './step.ts';

/** A step that is to be added at the end of a scope. */
export type NewStep =
  | { kind: 'model_call'; request: ModelCallRequest }
  /** With `refusal` the call is recorded as failed without being run. */
  | { kind: 'tool_call'; request: ToolCallRequest; refusal: ErrorInfo | null };

/** What follows from a chain in one scope. */
export type Action =
  /** Steps are under way: their results decide. */
  | { type: 'wait' }
  | { type: 'append'; steps: NewStep[] }
  | { type: 'complete' }
  | { type: 'incomplete'; reason: IncompleteReason }
  | { type: 'fail'; error: ErrorInfo };

/** The next action in `scope`. Total: every chain has exactly one. */
export function nextAction(request: AcceptedRequest, chain: readonly Step[], scope: Scope): Action {
  const steps = stepsOf(chain, scope);
  if (steps.some((step) => !isTerminal(step))) return { type: 'wait' };
  const lastModel = steps.findLastIndex((step) => step.kind === 'model_call');
  const model = steps[lastModel];
  if (model?.kind !== 'model_call') return callModel(request, steps);
  switch (model.outcome.state) {
    case 'pending':
    case 'processing':
      return { type: 'wait' };
    case 'canceled':
      return { type: 'incomplete', reason: 'cancelled' };
    case 'failed':
      return { type: 'fail', error: model.outcome.error };
    case 'completed':
      return afterModel(request, chain, steps, model.outcome.result, steps.slice(lastModel + 1));
  }
}

function afterModel(
  request: AcceptedRequest,
  chain: readonly Step[],
  steps: readonly Step[],
  result: ModelResult,
  siblings: readonly Step[],
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
  const clients = new Set(request.body.tools?.map((tool) => tool.name));
  const toRun = calls.filter((call) => !clients.has(call.name));
  if (siblings.length === 0 && toRun.length > 0) return { type: 'append', steps: toolSteps(request, chain, toRun) };
  if (siblings.some((step) => step.outcome.state === 'canceled')) return { type: 'incomplete', reason: 'cancelled' };
  if (calls.length > toRun.length || toRun.length === 0) return { type: 'complete' };
  return callModel(request, steps);
}

function callModel(request: AcceptedRequest, steps: readonly Step[]): Action {
  const models = steps.filter((step) => step.kind === 'model_call').length;
  if (models >= request.max_iterations) {
    return { type: 'fail', error: errorInfo('max_iterations_exceeded', { limit: request.max_iterations }) };
  }
  if (outputTokensLeft(request, steps) === 0) return { type: 'incomplete', reason: 'max_output_tokens' };
  return { type: 'append', steps: [{ kind: 'model_call', request: { model: request.body.model } }] };
}

function toolSteps(request: AcceptedRequest, chain: readonly Step[], calls: OutputFunctionCall[]): NewStep[] {
  const limit = request.body.max_tool_calls ?? Number.POSITIVE_INFINITY;
  const own = new Set(request.server_tools.map((tool) => tool.name));
  // A call that was refused ended in the entry that added it; only those that were run count.
  let left = limit - chain.filter((step) => step.kind === 'tool_call' && step.endedEntry !== step.addedEntry).length;
  const refusalOf = (name: string): ErrorInfo | null => {
    if (!own.has(name)) return errorInfo('tool_not_found', { name });
    left -= 1;
    return left >= 0 ? null : errorInfo('max_tool_calls_exceeded', { limit });
  };
  return calls.map((call) => ({
    kind: 'tool_call',
    request: { tool: call.name, call_id: call.call_id, arguments: call.arguments },
    refusal: refusalOf(call.name),
  }));
}

/** The calls of a model step that stand: whole, not superseded by a later attempt, and of an answer that was not cut short. */
export function liveCalls(result: ModelResult): OutputFunctionCall[] {
  if (result.finish !== 'stop') return [];
  return result.items.flatMap(({ item, superseded }) =>
    item.type === 'function_call' && item.status === 'completed' && !superseded ? [item] : [],
  );
}

/** What `max_output_tokens` leaves for the next model call; null when the request sets no limit. */
export function outputTokensLeft(request: AcceptedRequest, steps: readonly Step[]): number | null {
  const limit = request.body.max_output_tokens;
  if (limit === null || limit === undefined) return null;
  const spent = steps.reduce((sum, step) => {
    if (step.kind !== 'model_call' || step.outcome.state !== 'completed') return sum;
    return sum + (step.outcome.result.usage?.output_tokens ?? 0);
  }, 0);
  return Math.max(0, limit - spent);
}
