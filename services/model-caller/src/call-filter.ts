/** Which of a model's calls count. Pure. */
import type { Prompt } from '@tailrace/chain';
import type { ModelOp } from './model-op.ts';

/**
 * Holds back calls that the request does not allow: of tools that may not be called, and every call after the first where
 * there may be one only. Not every model keeps to what it is told.
 */
export class CallFilter {
  readonly #permitted: ReadonlySet<string> | null;
  readonly #most: number;
  readonly #standing = new Set<number>();

  constructor({ permitted, parallel_tool_calls }: Pick<Prompt, 'permitted' | 'parallel_tool_calls'>) {
    this.#permitted = permitted === null ? null : new Set(permitted);
    this.#most = parallel_tool_calls === false ? 1 : Number.POSITIVE_INFINITY;
  }

  /** Whether an operation goes on. */
  passes(op: ModelOp): boolean {
    if (op.type === 'arguments') return this.#standing.has(op.index);
    if (op.type !== 'call') return true;
    const allowed = this.#standing.size < this.#most && (this.#permitted?.has(op.name) ?? true);
    if (allowed) this.#standing.add(op.index);
    return allowed;
  }
}
