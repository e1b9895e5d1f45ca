/**
 * What a kind of tool is. To add one: a module that makes a {@link ToolKind}, and its line in `kinds.ts`. Arguments, deadlines,
 * repetition, limits, secrets and measures are the same for all kinds, and looked after by `tool-caller.ts`.
 */
import type { ToolWork } from '@tailrace/bus';
import type { ToolResult } from '@tailrace/chain';
import type { RegisteredTool } from '@tailrace/registry';
import type { CheckedArguments } from '@tailrace/tool-arguments';

/** See the file's head. */
export interface ToolKind {
  /**
   * What a step asks for; null when the step is not of this kind. `registered` is what the operator has registered under the
   * name of the tool, or of the server that it belongs to.
   * @throws ApiError when it cannot be had
   */
  target(work: ToolWork, registered: RegisteredTool | undefined): ToolTarget | null;
  /** Gives up what is under way, and every connection. */
  close(): Promise<void>;
}

/** Something that can be called. */
export interface ToolTarget {
  source: ToolSource;
  /** Milliseconds for one call. */
  timeoutMs: number;
  /** Whether a call may be repeated when it is not known whether it took effect. */
  idempotent: boolean;
  /** What is sent along and shown to nobody: where the tool repeats it, it is blotted out. Of encoded bytes, by the kind. */
  secrets: readonly string[];
  /** The result, where it is known without a call. */
  known?(): ToolResult | null;
  /**
   * What a call with these arguments is. They fit the schema; a kind may know of more that is wrong with them.
   * @throws ApiError for the model to read; anything else is taken for a mistake of the kind's, and fails the call as well
   */
  prepare(checked: CheckedArguments): PreparedCall;
}

/**
 * Makes a call. It may be made any number of times.
 * @throws ApiError when it fails; anything else when `signal` is aborted
 */
export type PreparedCall = (call: ToolCall) => Promise<ToolResult>;

/** What fails together, and is limited together. */
export interface ToolSource {
  /** Unique in the installation. */
  id: string;
  /** The most calls that begin in a minute, in all processes together; null for no limit. */
  callsPerMinute: number | null;
}

/** One call, as it is made. */
export interface ToolCall {
  /**
   * What tells the tool which call it is: `idempotency-key`, the same for every attempt, `x-client-request-id` and
   * `traceparent`.
   */
  headers: Record<string, string>;
  /** Aborted at the call's deadline, with a `TimeoutError`, and when nobody wants it any more. */
  signal: AbortSignal;
  /** To be told of the HTTP status of the answer. */
  answered(status: number): void;
}
