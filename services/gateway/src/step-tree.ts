/** The chain as `GET /v1/responses/{id}/steps` shows it: a tree, a sub-loop's steps under the call that opened it. Pure. */
import { type Scope, type Step, stepsOf } from '@tailrace/chain';
import { hexOf, type Usage } from '@tailrace/protocol';

/** A step as clients see it. Times are ISO 8601, in UTC. */
export interface StepNode {
  id: string;
  object: 'response.step';
  kind: Step['kind'];
  state: Step['outcome']['state'];
  /** The model's or the tool's name. */
  name: string;
  sequence: number;
  attempt: number;
  call_id: string | null;
  error: { code: string; message: string } | null;
  usage: Usage | null;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  /** From the start at a worker to the end, in milliseconds. */
  duration_ms: number | null;
  children: StepNode[];
}

/** The steps of a scope, each with those of the scope it opened. */
export function stepTree(chain: readonly Step[], scope: Scope = null): StepNode[] {
  return stepsOf(chain, scope).map((step) => ({
    id: `step_${hexOf(step.id)}`,
    object: 'response.step',
    kind: step.kind,
    state: step.outcome.state,
    name: step.kind === 'model_call' ? step.request.model : step.request.tool,
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

function usageOfStep(step: Step): Usage | null {
  if (step.kind !== 'model_call') return null;
  return step.outcome.state === 'completed' || step.outcome.state === 'failed'
    ? (step.outcome.result?.usage ?? null)
    : null;
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
