import type { ErrorInfo, ModelItem, StepId, Usage } from '@tailrace/protocol';

/**
 * The line of steps that one agent loop makes: NULL is the response's own loop, a step id is the sub-loop that this
 * `tool_call` opened.
 */
export type Scope = StepId | null;

/** What a model call is asked for, beyond what the chain itself says. */
export interface ModelCallRequest {
  /** The registered model's name. */
  model: string;
}

/** What a tool call is asked for. */
export interface ToolCallRequest {
  /** The tool's name, as the model called it. */
  tool: string;
  /** The call id that clients see. */
  call_id: string;
  /** The model's arguments as it wrote them; supposed to be a JSON object. */
  arguments: string;
  /** There when the call opens a scope of its own: no worker runs it, its scope's end is its outcome. */
  agent?: true;
  /** There when an MCP server is asked. */
  mcp?: McpAct;
}

/** What an MCP server, named by its label, is asked for. */
export type McpAct =
  /** Its tools. The request's `tool` and `call_id` are the label. `at` stands for where the server is: see `addressOf`. */
  | { do: 'list'; server: string; at: string }
  /** A call of the tool that the server itself calls `name`. `approval` is the id of the approval request, where there was one. */
  | { do: 'call'; server: string; name: string; approval: string | null }
  /** Nothing yet: the client has to approve the call first. Such a step ends as it is added; no worker sees it. */
  | { do: 'ask'; server: string; name: string };

/** A tool of an MCP server. */
export interface McpTool {
  /** The server's own name. */
  name: string;
  description: string | null;
  input_schema: Record<string, unknown>;
  annotations: Record<string, unknown> | null;
}

/** An item that a model step put into the log, with what only the server knows of it. */
export interface RecordedItem {
  item: ModelItem;
  /** The upstream's own id of a function call; messages are rebuilt with it. */
  upstream_call_id?: string;
  /** A call that is not shown as a function call: an item of its own follows, made by the tool's step. */
  held_back?: true;
  /** Published by an attempt that died and was not repeated by its successor: clients saw it, the model never hears of it. */
  superseded?: true;
}

/** Why a model stopped. */
export type FinishReason = 'stop' | 'length' | 'content_filter';

/** What a model call produced; of a failed one, as far as it came. */
export interface ModelResult {
  items: RecordedItem[];
  finish: FinishReason;
  usage: Usage | null;
  /** The class of service that the upstream says it gave; left out when it says nothing. */
  service_tier?: string;
}

/** What a tool answered. */
export interface ToolResult {
  output: string;
  /** Of an MCP server that was asked for them. */
  tools?: McpTool[];
}

/** Where a step stands. The last three never change (I5). */
export type Outcome<Result> =
  | { state: 'pending' | 'processing' }
  | { state: 'completed'; result: Result }
  | { state: 'failed'; error: ErrorInfo; result: Result | null }
  | { state: 'canceled'; result: Result | null };

interface StepBase {
  id: StepId;
  parentStepId: StepId | null;
  prevStepId: StepId | null;
  /** Monotonic per response, across all scopes. */
  sequence: number;
  /** How often the step has been handed to a worker. */
  attempt: number;
  /** The journal entry that added the step. */
  addedEntry: number;
  /** The journal entry that recorded its outcome. */
  endedEntry: number | null;
  /** Milliseconds since the epoch, as all times here. */
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
}

/** One call of a model. */
export type ModelStep = StepBase & { kind: 'model_call'; request: ModelCallRequest; outcome: Outcome<ModelResult> };

/** One call of a tool. */
export type ToolStep = StepBase & { kind: 'tool_call'; request: ToolCallRequest; outcome: Outcome<ToolResult> };

/** A row of the chain. */
export type Step = ModelStep | ToolStep;

/**
 * Whether a step opens a scope of its own: it is never handed to a worker, and is under way from the entry that adds it to
 * the one that ends its scope.
 */
export function isScopeStep(step: Step): step is ToolStep {
  return step.kind === 'tool_call' && step.request.agent === true;
}

/** Whether nothing more can happen to a step. */
export function isTerminal(step: Step): boolean {
  switch (step.outcome.state) {
    case 'pending':
    case 'processing':
      return false;
    case 'completed':
    case 'failed':
    case 'canceled':
      return true;
  }
}

/** What a step has come to, as far as it came. */
export function resultOf<Result>(outcome: Outcome<Result>): Result | null {
  switch (outcome.state) {
    case 'pending':
    case 'processing':
      return null;
    case 'completed':
    case 'failed':
    case 'canceled':
      return outcome.result;
  }
}

/** The steps of one scope, in their order. */
export function stepsOf(chain: readonly Step[], scope: Scope): Step[] {
  return chain.filter((step) => step.parentStepId === scope).sort((a, b) => a.sequence - b.sequence);
}
