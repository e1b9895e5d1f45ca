/** What gateways ask of orchestrators through the chain's queues, and how they are answered. */
import type { SubmittedRequest } from '@tailrace/chain';
import type { ConversationId, ErrorInfo, InputItem, ResponseId } from '@tailrace/protocol';
import type { LimitRefusal, RateLimit, ScopeLimits } from './limits.ts';

/** What every question carries whose answer somebody waits for. */
export interface Asking {
  /** When it was asked, by the clock of whoever asks: milliseconds since the epoch. It proves nothing to another clock. */
  askedAt: number;
  /** How long the answer is waited for, in milliseconds. */
  waitMs: number;
  /** A subject of whoever asks. An empty request there is answered with whether the answer is still waited for. */
  replyTo: string;
}

/** What every request of a gateway to an orchestrator carries. It is answered at `replyTo`. */
export interface Asked extends Asking {
  owner: string;
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

/**
 * `tr.chain.<p>.withdraw`: whoever wanted this response has been told that there is none. Nobody waits for an answer, and
 * one that an `Idempotency-Key` leads to is left alone. May be told any number of times, also of what was never made.
 */
export interface WithdrawCommand {
  id: ResponseId;
  owner: string;
  correlationId: string;
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
  /** No answer has come in time, and none will be heard. */
  gaveUp?: boolean;
}
