/** What workers are given, and what they tell and ask of it. */
import type { AgentPlace, McpAct, McpServer, ModelResult, Prompt, ToolResult } from '@tailrace/chain';
import type { ErrorInfo, ResponseId, StepId } from '@tailrace/protocol';
import type { ToolCallMeasure, UpstreamCall } from './calls.ts';
import type { RelayEndpoint, RelayWork } from './relay-work.ts';

export type { AgentPlace };

/** Where a log ends, as far as its last writer knows. */
export interface LogPosition {
  /** The stream sequence of the log's last message; 0 when it has none. */
  streamSeq: number;
  /** The number of the next event. */
  nextEvent: number;
  /** How many journal entries of the chain the log holds. */
  cursor: number;
}

/** `tr.work.model.*`: one model step. */
export interface ModelWork {
  kind: 'model_call';
  responseId: ResponseId;
  stepId: StepId;
  attempt: number;
  /** As of when the step was to be run, by the clock of whoever handed it out: milliseconds since the epoch. */
  handedOutAt: number;
  model: string;
  prompt: Prompt;
  log: LogPosition;
  /** The `output_index` of the step's first item. */
  outputIndex: number;
  /** Where the step stands; null for the response's own loop. */
  agent: AgentPlace | null;
  /** Names of tools whose calls are not shown as function calls: an item of their own follows. */
  heldBack: string[];
  /** Another attempt may have begun already. */
  takeover: boolean;
  correlationId: string;
}

/** `tr.work.tool.*`: one tool step. */
export interface ToolWork {
  kind: 'tool_call';
  responseId: ResponseId;
  stepId: StepId;
  attempt: number;
  /** As of when the step was to be run, by the clock of whoever handed it out: milliseconds since the epoch. */
  handedOutAt: number;
  tool: string;
  arguments: string;
  /** JSON schema of the arguments; null for one that nobody has given. */
  parameters: Record<string, unknown> | null;
  /** There when an MCP server is asked. */
  mcp: { act: McpAct; server: McpServer } | null;
  /** Another attempt may have begun already. */
  takeover: boolean;
  correlationId: string;
}

/** A step handed to a worker. */
export type StepWork = ModelWork | ToolWork;

/** What is handed to a worker. */
export type Work = StepWork | RelayWork;

interface StepReport {
  responseId: ResponseId;
  stepId: StepId;
  attempt: number;
  /** Milliseconds since the epoch. */
  startedAt: number;
  correlationId: string;
}

/** `tr.chain.<p>.result`: worker to orchestrator. */
export type ResultCommand =
  /** A step that takes long is under way. */
  | (StepReport & { kind: 'started' })
  | (StepReport & {
      kind: 'model_call';
      endedAt: number;
      result: ModelResult | null;
      /** Null when the call succeeded. */
      error: ErrorInfo | null;
      log: LogPosition;
      /** How many events the step's attempts have put into the log. */
      events: number;
      calls: UpstreamCall[];
    })
  | (StepReport & {
      kind: 'tool_call';
      endedAt: number;
      outcome: { result: ToolResult } | { error: ErrorInfo };
      calls: ToolCallMeasure[];
    })
  /** A call that was passed on is over. `responseId` and `stepId` are its own id. */
  | (StepReport & {
      kind: 'relay';
      endedAt: number;
      endpoint: RelayEndpoint;
      owner: string;
      keyName: string;
      groups: string[];
      /** As in the work. */
      leased: boolean;
      /** All tokens of the call that its client got, estimated where the upstream has not told; 0 when it got nothing. */
      tokens: number;
      calls: UpstreamCall[];
    });

/** `tr.ask.step`: worker to orchestrator. */
export interface StepQuestion {
  responseId: ResponseId;
  stepId: StepId;
  /** The attempt that begins unless the step has ended: it takes the step from earlier ones. Null for who only asks. */
  begins: number | null;
  /**
   * When the delivery that asks has begun, by its worker's clock: milliseconds since the epoch, the same in all that it says.
   * It tells deliveries apart that have the same number, because a server that was killed has counted them anew.
   */
  startedAt: number;
  /**
   * The attempt is about to do what must not be done twice: it is recorded as begun then, unless another delivery has begun
   * the step.
   */
  once: boolean;
}

/** The answer to a {@link StepQuestion}. */
export interface StepAnswer {
  /** A worker has said that it begins, or that it is at it; where one asks that does it `once`, another one has. */
  begun: boolean;
  /** Its outcome is recorded, or it is not there any more. */
  ended: boolean;
  /** The later attempt that has the step; left out where there is none. */
  later?: number;
  /**
   * There when another delivery was told so little ago that the step is its own that it may be about to act on it: nothing
   * is recorded, and the question is to be asked again in so many milliseconds.
   */
  wait?: number;
}

/**
 * For so long after its question, in milliseconds, an attempt that was told that it has a step may begin what is not to be
 * done any more once the step is recorded; as long after the answer no later attempt is told so.
 */
export const STEP_HOLD_MS = 1_000;

/** What the server tells of a message that it does not deliver any more. */
export interface MaxDeliveriesAdvisory {
  stream: string;
  stream_seq: number;
  deliveries: number;
}
