/** What transitions of chains need of the world. */
import type { TransitionContext } from '@tailrace/chain';
import { ApiError, newId, type StepId } from '@tailrace/protocol';
import { ToolArguments, type ToolArgumentsOptions } from '@tailrace/tool-arguments';

/** Compiled schemas are all that it remembers; they are the process's, whatever transition they were compiled for. */
let toolArguments = new ToolArguments();

/** Bounds the checks of all transitions of this process. To be called before there are any. */
export function boundArgumentChecks(options: ToolArgumentsOptions): void {
  toolArguments = new ToolArguments(options);
}

/** Why arguments could never be checked against a schema, or null. */
export function unusableSchema(schema: Record<string, unknown>): string | null {
  try {
    toolArguments.check('{}', schema);
    return null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.code === 'tool_schema_unusable' ? error.message : null;
  }
}

/** The context of a transition that happens `now`, in milliseconds since the epoch; `overdue` are the agents that are late then. */
export function transitionContext(now: number, overdue: ReadonlySet<StepId> = new Set()): TransitionContext {
  return {
    now,
    overdue,
    newId: () => newId(now),
    checkArguments(text, schema) {
      try {
        toolArguments.check(text, schema);
        return null;
      } catch (error) {
        if (error instanceof ApiError) return error.info;
        throw error;
      }
    },
  };
}
