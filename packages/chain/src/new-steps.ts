/** The steps that a scope begins with, and those that a model's calls become. Pure. */
import { type ErrorInfo, errorInfo } from '@tailrace/protocol';
import type { AcceptedRequest, ApprovedCall } from './accepted.ts';
import { addressOf, allows, needsApproval } from './mcp-server.ts';
import { knownTools, type Offered, offerOf, parametersOfTool, serverLabelled } from './offer.ts';
import { maxDepthOf, pathOf, rulesOf, stepsBelow } from './scope.ts';
import type { McpAct, ModelCallRequest, Outcome, Scope, Step, ToolCallRequest, ToolResult } from './step.ts';

/** A step that is to be added at the end of a scope. */
export type NewStep =
  | { kind: 'model_call'; request: ModelCallRequest }
  /** A call that is refused, or that has to be approved first, has ended as it is added. */
  | { kind: 'tool_call'; request: ToolCallRequest; outcome: Outcome<ToolResult> };

/** What is wrong with a call's arguments, by the JSON schema of its tool; null for nothing. It is a pure function. */
export type CheckArguments = (text: string, schema: Record<string, unknown> | null) => ErrorInfo | null;

const PENDING = { state: 'pending' } as const;

/** What a scope does before its model is called: it asks servers what they can do, and makes the calls that were approved. */
export function firstSteps(request: AcceptedRequest, chain: readonly Step[], scope: Scope): NewStep[] {
  const lists = rulesOf(request, chain, scope)
    .servers.filter(({ label }) => knownTools(request, chain, label, Number.POSITIVE_INFINITY) === null)
    .map((server): NewStep => {
      const { label } = server;
      const mcp: McpAct = { do: 'list', server: label, at: addressOf(server) };
      return { kind: 'tool_call', request: { tool: label, call_id: label, arguments: '{}', mcp }, outcome: PENDING };
    });
  if (scope !== null) return lists;
  const refusal = budgetOf(request, chain, scope);
  const approved = (request.mcp_memory?.approved ?? []).map((call) => approvedStep(request, call, refusal));
  return [...lists, ...approved];
}

function approvedStep(request: AcceptedRequest, call: ApprovedCall, overBudget: Refusal): NewStep {
  const { approval, server, name, arguments: text } = call;
  const mcp: McpAct = { do: 'call', server, name, approval };
  const refusal = allows(serverLabelled(request, server), name) ? overBudget() : errorInfo('tool_not_found', { name });
  return toolStep({ tool: name, call_id: approval, arguments: text, mcp }, refusal);
}

/** A call, as its model has made it. */
interface Call {
  name: string;
  call_id: string;
  arguments: string;
}

/** The steps that calls of a scope's model become, in the order of the calls. */
export function callSteps(
  request: AcceptedRequest,
  chain: readonly Step[],
  scope: Scope,
  calls: readonly Call[],
  check: CheckArguments,
): NewStep[] {
  const offer = offerOf(request, chain, scope);
  const place: Place = {
    scope,
    deepest: rulesOf(request, chain, scope).depth >= maxDepthOf(request) ? maxDepthOf(request) : null,
    check,
    overBudget: budgetOf(request, chain, scope),
  };
  return calls.map(({ name: tool, call_id, arguments: text }) =>
    callStep({ tool, call_id, arguments: text }, offer.get(tool), place),
  );
}

/** Where calls are made. */
interface Place {
  scope: Scope;
  /** The depth, if no scope may be opened below it. */
  deepest: number | null;
  check: CheckArguments;
  overBudget: Refusal;
}

function callStep(asked: ToolCallRequest, offered: Offered | undefined, place: Place): NewStep {
  switch (offered?.by) {
    case undefined:
    case 'client':
      return toolStep(asked, errorInfo('tool_not_found', { name: asked.tool }));
    case 'server':
      return toolStep(asked, place.overBudget());
    case 'agent': {
      const refusal = agentRefusal(asked, offered, place);
      if (refusal !== null) return toolStep(asked, refusal);
      return { kind: 'tool_call', request: { ...asked, agent: true }, outcome: { state: 'processing' } };
    }
    case 'mcp':
      return mcpStep(asked, offered, place);
  }
}

function agentRefusal(
  asked: ToolCallRequest,
  { tool }: Extract<Offered, { by: 'agent' }>,
  { deepest, check, overBudget }: Place,
): ErrorInfo | null {
  if (deepest !== null) return errorInfo('max_depth_exceeded', { limit: deepest });
  return check(asked.arguments, parametersOfTool(tool)) ?? overBudget();
}

function mcpStep(
  asked: ToolCallRequest,
  { server, tool }: Extract<Offered, { by: 'mcp' }>,
  { scope, overBudget }: Place,
): NewStep {
  const { name } = tool;
  const mcp: McpAct = { do: 'call', server: server.label, name, approval: null };
  if (!needsApproval(server, name)) return toolStep({ ...asked, mcp }, overBudget());
  // A turn that an agent ends is not the client's.
  if (scope !== null) return toolStep({ ...asked, mcp }, errorInfo('approval_impossible', { name }));
  const ask: McpAct = { do: 'ask', server: server.label, name };
  return {
    kind: 'tool_call',
    request: { ...asked, mcp: ask },
    outcome: { state: 'completed', result: { output: '' } },
  };
}

function toolStep(request: ToolCallRequest, refusal: ErrorInfo | null): NewStep {
  const outcome = refusal === null ? PENDING : ({ state: 'failed', error: refusal, result: null } as const);
  return { kind: 'tool_call', request, outcome };
}

/** Takes room for one call; the error of a call for which there is none. */
type Refusal = () => ErrorInfo | null;

/** The limits that hold in a scope: its own, and those of all around it. */
function budgetOf(request: AcceptedRequest, chain: readonly Step[], scope: Scope): Refusal {
  const limits = pathOf(chain, scope).flatMap((around) => {
    const limit = rulesOf(request, chain, around).maxToolCalls;
    if (limit === null) return [];
    return [{ limit, left: limit - stepsBelow(chain, around).filter(isCall).length }];
  });
  return () => {
    const spent = limits.find(({ left }) => left <= 0);
    if (spent) return errorInfo('max_tool_calls_exceeded', { limit: spent.limit });
    for (const each of limits) each.left -= 1;
    return null;
  };
}

/** A call that was refused, or that has to be approved, ended in the entry that added it; only those that were run count. */
function isCall(step: Step): boolean {
  return step.kind === 'tool_call' && step.endedEntry !== step.addedEntry && step.request.mcp?.do !== 'list';
}
