/** The messages between the services, and their one codec. */
import type { AgentPlace, McpAct, McpServer, ModelResult, Prompt, SubmittedRequest, ToolResult } from '@tailrace/chain';
import type { ConversationId, ErrorInfo, InputItem, ResponseId, StepId } from '@tailrace/protocol';
import type { AdmitAnswer, AdmitQuestion, LimitRefusal, RateLimit, Release, ScopeLimits } from './limits.ts';

export type { AgentPlace };

import type { RelayEndpoint, RelayWork } from './relay-work.ts';

/** Where a log ends, as far as its last writer knows. */
export interface LogPosition {
  /** The stream sequence of the log's last message; 0 when it has none. */
  streamSeq: number;
  /** The number of the next event. */
  nextEvent: number;
  /** How many journal entries of the chain the log holds. */
  cursor: number;
}

/** What every request of a gateway to an orchestrator carries. */
export interface Asked {
  owner: string;
  /** When it was asked, by the clock of whoever asks: milliseconds since the epoch. It proves nothing to another clock. */
  askedAt: number;
  /** How long the answer is waited for, in milliseconds. */
  waitMs: number;
  /** The subject where the answer is waited for. An empty request there is answered with whether it still is. */
  replyTo: string;
  correlationId: string;
}

/** `tr.chain.<p>.create`: a client wants a response. */
export interface CreateCommand extends Asked {
  id: ResponseId;
  request: SubmittedRequest;
  previousResponseId: ResponseId | null;
  conversationId: ConversationId | null;
  /**
   * Whether the request carries the history itself (`request.context`), and the previous response is only named: so it is
   * with what a connection remembers and nobody stores.
   */
  detached: boolean;
  /** SHA-256 of the body when an `Idempotency-Key` made the id; null otherwise. */
  bodyHash: string | null;
  /** The name of the key that it is made with; null where nobody knows any more. */
  keyName: string | null;
  /** What limits it; nothing for a key without limits. */
  limits: ScopeLimits[];
  /** Milliseconds since the epoch. */
  createdAt: number;
}

/** `tr.chain.<p>.cancel` and `tr.chain.<p>.delete`: of one response. Both may be told any number of times. */
export interface ResponseCommand extends Asked {
  id: ResponseId;
}

/** `tr.chain.<p>.redrive`: a dead letter's response shall be made again, as a new one with this id. */
export interface RedriveCommand extends Asked {
  id: ResponseId;
  deadLetter: string;
}

/** `tr.chain.<p>.conversation`: one change of a conversation. May be told any number of times. */
export interface ConversationCommand extends Asked {
  id: ConversationId;
  change: ConversationChange;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

/** What is done to a conversation. `batch` is an identity of the request: the ids of its items are made from it. */
export type ConversationChange =
  | { type: 'create'; metadata: Record<string, string>; items: InputItem[]; batch: string }
  | { type: 'update'; metadata: Record<string, string> }
  | { type: 'delete' }
  | { type: 'add'; items: InputItem[]; batch: string }
  | { type: 'remove'; itemId: string };

/** A command that a gateway waits for. */
export type AskedCommand = CreateCommand | ResponseCommand | RedriveCommand | ConversationCommand;

/** The answer: it is committed, or the request is refused and nothing was done. */
export type Reply =
  /**
   * `existed`: it had been done before. `itemIds`: of the items that `add` has added, in their order. `rateLimit`: where the
   * limits of what was created stand.
   */
  | { accepted: true; existed: boolean; itemIds?: string[]; rateLimit?: RateLimit }
  /** `limit`: there when a limit was reached. */
  | { accepted: false; error: ErrorInfo; param: string | null; limit?: LimitRefusal };

/** Whether the answer to a command is still waited for. */
export interface Waiting {
  waiting: boolean;
}

/** `tr.work.model.*`: one model step. */
export interface ModelWork {
  kind: 'model_call';
  responseId: ResponseId;
  stepId: StepId;
  attempt: number;
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
  tool: string;
  arguments: string;
  /** JSON schema of the arguments; null for one that nobody has given. */
  parameters: Record<string, unknown> | null;
  /** There when an MCP server is asked. */
  mcp: { act: McpAct; server: McpServer } | null;
  correlationId: string;
}

/** A step handed to a worker. */
export type StepWork = ModelWork | ToolWork;

/** What is handed to a worker. */
export type Work = StepWork | RelayWork;

/** What a call is known by from before it is made. */
export interface CallMark {
  /** UUIDv7. Its row has it, and the one who is called gets it as `X-Client-Request-Id`. */
  id: string;
  /** Milliseconds since the epoch, by the worker's clock. */
  startedAt: number;
}

/** Whom a call goes to. */
export type CallTarget =
  | {
      kind: 'model';
      model: string;
      upstream: string;
      upstreamModel: string;
      endpoint: 'responses' | RelayEndpoint;
    }
  | { kind: 'tool'; tool: string };

/** `tr.calls.*`: a worker is about to make a call, and may not live to tell what became of it. */
export interface CallNote extends CallMark {
  responseId: ResponseId;
  /** Null for a call that is passed on as it is. */
  stepId: StepId | null;
  attempt: number;
  /** Its place among the calls of the attempt, from 1. */
  call: number;
  target: CallTarget;
  /** Whose call it is, where no response tells. */
  by: { owner: string; keyName: string } | null;
}

/** One upstream HTTP call, as the worker measured it. Times are in milliseconds. */
export interface UpstreamCall {
  /** Left out when nobody was told before the call was made. */
  mark?: CallMark;
  model: string;
  upstream: string;
  /** The upstream's own name of the model. */
  upstreamModel?: string;
  status: number | null;
  ttfbMs: number | null;
  durationMs: number;
  errorCode: string | null;
  inputTokens: number | null;
  cachedTokens: number | null;
  outputTokens: number | null;
  reasoningTokens: number | null;
  /** Milliseconds from the request to the first token of output. */
  firstTokenMs: number | null;
  /** By the upstream's price at that moment; null when it has none, or no tokens were told. */
  cost: number | null;
}

/** One HTTP call of a tool, as the worker measured it. */
export interface ToolCallMeasure {
  /** As in {@link UpstreamCall}. */
  mark?: CallMark;
  tool: string;
  status: number | null;
  durationMs: number;
  errorCode: string | null;
}

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
}

/** The answer to a {@link StepQuestion}. */
export interface StepAnswer {
  /** A worker has said that it begins, or that it is at it. */
  begun: boolean;
  /** Its outcome is recorded, or it is not there any more. */
  ended: boolean;
}

/** What the server tells of a message that it does not deliver any more. */
export interface MaxDeliveriesAdvisory {
  stream: string;
  stream_seq: number;
  deliveries: number;
}

/** A message that is not what its subject promises. */
export class MalformedMessage extends Error {
  constructor(subject: string, reason: string) {
    super(`${subject}: ${reason}`);
    this.name = 'MalformedMessage';
  }
}

/** What is told of limits beside the commands. */
type Asides = AdmitQuestion | AdmitAnswer | Release;

/** The bytes of a message between services. */
export function encodeMessage(
  message: AskedCommand | Reply | Waiting | Work | ResultCommand | StepQuestion | StepAnswer | CallNote | Asides,
): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

/**
 * A message between services. Its sender is a part of the same installation, so its shape is trusted once it is JSON.
 * @throws MalformedMessage
 */
export function decodeMessage<
  T extends
    | AskedCommand
    | Reply
    | Waiting
    | Work
    | ResultCommand
    | MaxDeliveriesAdvisory
    | StepQuestion
    | StepAnswer
    | CallNote
    | Asides,
>(subject: string, bytes: Uint8Array): T {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as T;
  } catch (error) {
    throw new MalformedMessage(subject, error instanceof Error ? error.message : String(error));
  }
}
