import type {
  CreateResponseBody,
  ErrorInfo,
  IncompleteReason,
  InputItem,
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

/** A request as it was accepted: what the client sent, normalised, and what the server decided about it once. */
export interface AcceptedRequest {
  body: Omit<CreateResponseBody, 'input' | 'stream' | 'stream_options'> & { input: InputItem[] };
  server_tools: ServerTool[];
  /** The most model calls in one scope. */
  max_iterations: number;
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
