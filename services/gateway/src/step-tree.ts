/** The chain as `GET /v1/responses/{id}/steps` shows it: a tree, a sub-loop's steps under the call that opened it. Pure. */
import { isScopeStep, resultOf, type Scope, type Step, stepsOf } from '@tailrace/chain';
import { publicStepId, responseResource, type Usage } from '@tailrace/protocol';
import { z } from 'zod';

/** A step as clients see it. Times are ISO 8601, in UTC. */
export const stepNode = z.strictObject({
  id: z.string(),
  object: z.literal('response.step'),
  kind: z.enum(['model_call', 'tool_call']),
  state: z.enum(['pending', 'processing', 'completed', 'failed', 'canceled']),
  /** The model's or the tool's name; where a server is asked what it can do, the server's label. */
  name: z.string(),
  /** What kind of tool it is; null for a model call. The steps of an agent are the children of its call. */
  tool_type: z.enum(['function', 'agent', 'mcp_list_tools', 'mcp_call', 'mcp_approval_request']).nullable(),
  /** Of an MCP server. */
  server_label: z.string().nullable(),
  sequence: z.int(),
  attempt: z.int(),
  call_id: z.string().nullable(),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  usage: responseResource.shape.usage,
  created_at: z.string(),
  started_at: z.string().nullable(),
  ended_at: z.string().nullable(),
  /** From the start at a worker to the end, in milliseconds. */
  duration_ms: z.int().nullable(),
  get children() {
    return z.array(stepNode);
  },
});
export type StepNode = z.output<typeof stepNode>;

/** What `GET /v1/responses/{id}/steps` answers. */
export const stepList = z.strictObject({ object: z.literal('list'), data: z.array(stepNode) });

/** The steps of a scope, each with those of the scope it opened. */
export function stepTree(chain: readonly Step[], scope: Scope = null): StepNode[] {
  return stepsOf(chain, scope).map((step) => ({
    id: publicStepId(step.id),
    object: 'response.step',
    kind: step.kind,
    state: step.outcome.state,
    name: step.kind === 'model_call' ? step.request.model : step.request.tool,
    tool_type: toolTypeOf(step),
    server_label: step.kind === 'tool_call' ? (step.request.mcp?.server ?? null) : null,
    sequence: step.sequence,
    attempt: step.attempt,
    call_id: step.kind === 'tool_call' ? step.request.call_id : null,
    error: step.outcome.state === 'failed' ? step.outcome.error : null,
    usage: usageOfStep(step),
    created_at: iso(step.createdAt),
    started_at: step.startedAt === null ? null : iso(step.startedAt),
    ended_at: step.endedAt === null ? null : iso(step.endedAt),
    duration_ms: step.startedAt === null || step.endedAt === null ? null : step.endedAt - step.startedAt,
    children: stepTree(chain, step.id),
  }));
}

function toolTypeOf(step: Step): StepNode['tool_type'] {
  if (step.kind === 'model_call') return null;
  switch (step.request.mcp?.do) {
    case undefined:
      return isScopeStep(step) ? 'agent' : 'function';
    case 'list':
      return 'mcp_list_tools';
    case 'call':
      return 'mcp_call';
    case 'ask':
      return 'mcp_approval_request';
  }
}

function usageOfStep(step: Step): Usage | null {
  return step.kind === 'model_call' ? (resultOf(step.outcome)?.usage ?? null) : null;
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
