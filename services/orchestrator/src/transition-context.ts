/** What transitions of chains need of the world. */
import type { TransitionContext } from '@tailrace/chain';
import { ApiError, newId } from '@tailrace/protocol';
import { ToolArguments } from '@tailrace/tool-arguments';

/** Compiled schemas are all that it remembers. */
const toolArguments = new ToolArguments();

/** The context of a transition that happens `now`, in milliseconds since the epoch. */
export function transitionContext(now: number): TransitionContext {
  return {
    now,
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
