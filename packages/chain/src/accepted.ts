import type {
  ConversationId,
  CreateResponseBody,
  ErrorInfo,
  FunctionToolParam,
  IncompleteReason,
  InputItem,
  KeptItem,
  ResponseId,
  ResponseStatus,
} from '@tailrace/protocol';
import type { McpTool } from './step.ts';

/** A tool that the server runs, as it was when the request was accepted. */
export interface ServerTool {
  name: string;
  description: string | null;
  /** JSON schema of the arguments. */
  parameters: Record<string, unknown> | null;
  /** There for a tool that is a model with tools of its own. */
  agent?: Agent;
}

/** A sub-loop that a tool opens below its call. */
export interface Agent {
  model: string;
  instructions: string | null;
  /** Names among the request's `server_tools` and `inner_tools`. */
  tools: string[];
  /** Labels among the request's `mcp_servers`. */
  mcp_servers: string[];
  /** The most model calls of one run. */
  max_iterations: number;
  /** The most tool calls of one run; null for no bound of its own. */
  max_tool_calls: number | null;
  /** Tokens that the model's window holds, where the operator has said so. */
  context_window: number | null;
  /** Milliseconds after which a run begins nothing more; null for no bound of its own. */
  timeout_ms: number | null;
}

/** Which calls of an MCP server a client has to approve first. */
export type ApprovalPolicy = 'always' | 'never' | { always: string[]; never: string[] };

/**
 * Where a server is that a client has named. A URL's path and query are as secret as headers: many have a token in them.
 */
interface RequestedAddress {
  /** The whole URL, sealed. */
  url: string;
  /** The same for the same URL. It tells nothing of it to those who do not have the installation's key. */
  digest: string;
  /** What clients are shown of the URL: its origin, and whether anything follows. */
  shown: string;
  /** By their names, in lower case. The values are sealed. */
  headers: Record<string, string>;
}

/** A server of tools that speaks the Model Context Protocol, as it was when the request was accepted. */
export interface McpServer {
  /** Unique among the request's servers. */
  label: string;
  /** What the model is told of the server; null for nothing. */
  description: string | null;
  /** Where it is: what the operator has registered under that name, or what the client has given. */
  at: { registered: string } | RequestedAddress;
  /** The tools of the server that may be called; null for all. */
  allowed_tools: string[] | null;
  require_approval: ApprovalPolicy;
  /** Whether only agents use it. */
  inner: boolean;
}

/** What the server decides about a request once, beside what the client sent. */
interface Decisions {
  /** What the model at the top is offered. */
  server_tools: ServerTool[];
  /** What only agents are offered. */
  inner_tools?: ServerTool[];
  mcp_servers?: McpServer[];
  /** The deepest scope that an agent may open; the response's own is 0. */
  max_depth?: number;
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

/** What a client sent, normalised. Of its tools only the functions: MCP servers, of which much is secret, are `mcp_servers`. */
type Body<Item> = Omit<CreateResponseBody, 'input' | 'stream' | 'stream_options' | 'tools'> & {
  input: Item[];
  tools?: FunctionToolParam[] | null | undefined;
};

/** A request as a gateway hands it over: its references have not been looked up yet. */
export type SubmittedRequest = Decisions & { body: Body<InputItem> };

/** What the turns before a response have left open, or made known, of MCP servers. */
export interface McpMemory {
  /** What servers, by their labels, have said that they can do. They are not asked again. */
  lists: { server: string; tools: McpTool[] }[];
  /** The calls that the input approves, and that have not been made. */
  approved: ApprovedCall[];
}

/** A call of a server's tool that the client has approved. */
export interface ApprovedCall {
  /** The id of the approval request. */
  approval: string;
  /** The server's label. */
  server: string;
  /** The server's own name of the tool. */
  name: string;
  arguments: string;
}

/** A request as it was accepted: what the client sent, normalised, and what the server decided about it once. */
export type AcceptedRequest = Decisions & {
  body: Body<KeptItem>;
  /** See `recall`; left out when there is nothing. */
  mcp_memory?: McpMemory;
};

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
