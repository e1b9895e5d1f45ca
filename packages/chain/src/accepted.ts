import type {
  ConversationId,
  CreateResponseBody,
  ErrorInfo,
  IncompleteReason,
  InputItem,
  KeptItem,
  ResponseId,
  ResponseStatus,
} from '@tailrace/protocol';

/** A tool that the server runs, as it was when the request was accepted. */
export interface ServerTool {
  name: string;
  description: string | null;
  /** JSON schema of the arguments. */
  parameters: Record<string, unknown> | null;
}

/** What the server decides about a request once, beside what the client sent. */
interface Decisions {
  server_tools: ServerTool[];
  /** The most model calls in one scope. */
  max_iterations: number;
  /** Items before the input that are stored nowhere else. */
  context?: KeptItem[];
  /** Tokens that the model's window holds, where the operator has said so. */
  context_window?: number | null;
  /** Whether deltas are padded, so that their sizes tell nothing. */
  obfuscate?: boolean;
  /** What the response is made for, when it is not a client's turn. */
  purpose?: 'compaction';
}

type Body<Item> = Omit<CreateResponseBody, 'input' | 'stream' | 'stream_options'> & { input: Item[] };

/** A request as a gateway hands it over: its references have not been looked up yet. */
export type SubmittedRequest = Decisions & { body: Body<InputItem> };

/** A request as it was accepted: what the client sent, normalised, and what the server decided about it once. */
export type AcceptedRequest = Decisions & { body: Body<KeptItem> };

/** Whether a response is kept for later reading, which is what clients get unless they say otherwise. */
export function isStored(request: AcceptedRequest | SubmittedRequest): boolean {
  return request.body.store ?? true;
}

/** A response without its steps. */
export interface ResponseRecord {
  id: ResponseId;
  owner: string;
  request: AcceptedRequest;
  status: ResponseStatus;
  error: ErrorInfo | null;
  incompleteReason: IncompleteReason | null;
  previousResponseId: ResponseId | null;
  conversationId: ConversationId | null;
  /** Items of the conversation at or after this position are not part of what the model is told. */
  conversationPosition: number | null;
  /** Milliseconds since the epoch. */
  createdAt: number;
  endedAt: number | null;
  /** How many journal entries (transactions) the chain has; the first created it. */
  entries: number;
  /** No event with this number or a higher one is known to have been published. */
  nextEvent: number;
}

/** Whether a response has come to its end. */
export function hasEnded(record: Pick<ResponseRecord, 'status'>): boolean {
  switch (record.status) {
    case 'queued':
    case 'in_progress':
      return false;
    case 'completed':
    case 'incomplete':
    case 'failed':
    case 'cancelled':
      return true;
  }
}
