/** The messages between the services, and their one codec. */
import type { ModelResult, Prompt, SubmittedRequest, ToolResult } from '@tailrace/chain';
import type { ConversationId, ErrorInfo, InputItem, ResponseId, StepId } from '@tailrace/protocol';

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
  /** `existed`: it had been done before. `itemIds`: of the items that `add` has added, in their order. */
  | { accepted: true; existed: boolean; itemIds?: string[] }
  | { accepted: false; error: ErrorInfo; param: string | null };

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
  correlationId: string;
}

/** A step handed to a worker. */
export type Work = ModelWork | ToolWork;

/** One upstream HTTP call, as the worker measured it. Times are in milliseconds. */
export interface UpstreamCall {
  model: string;
  upstream: string;
  status: number | null;
  ttfbMs: number | null;
  durationMs: number;
  errorCode: string | null;
  inputTokens: number | null;
  cachedTokens: number | null;
  outputTokens: number | null;
  reasoningTokens: number | null;
}

/** One HTTP call of a tool, as the worker measured it. */
export interface ToolCallMeasure {
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
      calls: UpstreamCall[];
    })
  | (StepReport & {
      kind: 'tool_call';
      endedAt: number;
      outcome: { result: ToolResult } | { error: ErrorInfo };
      calls: ToolCallMeasure[];
    });

/** `tr.ask.step`: worker to orchestrator. */
export interface StepQuestion {
  responseId: ResponseId;
  stepId: StepId;
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

/** The bytes of a message between services. */
export function encodeMessage(
  message: AskedCommand | Reply | Waiting | Work | ResultCommand | StepQuestion | StepAnswer,
): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

/**
 * A message between services. Its sender is a part of the same installation, so its shape is trusted once it is JSON.
 * @throws MalformedMessage
 */
export function decodeMessage<
  T extends AskedCommand | Reply | Waiting | Work | ResultCommand | MaxDeliveriesAdvisory | StepQuestion | StepAnswer,
>(subject: string, bytes: Uint8Array): T {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as T;
  } catch (error) {
    throw new MalformedMessage(subject, error instanceof Error ? error.message : String(error));
  }
}
