/** Which steps workers do, and who. Pure. */
import { REQUESTED_MCP, type WorkSource } from '@tailrace/bus';
import { isScopeStep, isTerminal, mcpServerOf, type Step } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';

/** Whether a step waits for a worker, or has one. The call of an agent does not: it ends when the agent's own steps have. */
export function isOpenWork(step: Step): boolean {
  return !isTerminal(step) && !isScopeStep(step);
}

/** The name of the model or the tool that a step calls. */
export function nameOf(step: Step): string {
  return step.kind === 'model_call' ? step.request.model : step.request.tool;
}

/** The queue of a step's work. */
export function sourceOf({ record, chain }: StoredResponse, step: Step): WorkSource {
  switch (step.kind) {
    case 'model_call':
      return { kind: 'model', name: step.request.model };
    case 'tool_call': {
      const server = mcpServerOf(record.request, chain, step);
      if (server === null) return { kind: 'tool', name: step.request.tool };
      return 'registered' in server.at ? { kind: 'tool', name: server.at.registered } : REQUESTED_MCP;
    }
  }
}
