/** The response as its chain tells it. Pure; it is never stored a second time. */
import {
  type EchoedFormat,
  type EchoedTool,
  ERRORS,
  type ModelItem,
  publicConversationId,
  publicResponseId,
  type ResponseResource,
  type TextFormat,
  type ToolItem,
  type Usage,
} from '@tailrace/protocol';
import { type AcceptedRequest, hasEnded, type McpServer, type ResponseRecord } from './accepted.ts';
import { parametersOfTool } from './offer.ts';
import { type ModelStep, resultOf, type Scope, type Step, stepsOf, type ToolStep } from './step.ts';
import { toolItem } from './tool-item.ts';

/** What `GET /v1/responses/{id}` returns (I3). The usage is told at the end, as in the events. */
export function assemble(record: ResponseRecord, chain: readonly Step[]): ResponseResource {
  return {
    ...initialResource(record),
    status: record.status,
    completed_at: record.status === 'completed' && record.endedAt !== null ? seconds(record.endedAt) : null,
    error: record.error === null ? null : { type: ERRORS[record.error.code].type, ...record.error },
    incomplete_details: record.incompleteReason === null ? null : { reason: record.incompleteReason },
    output: outputOf(chain).map((placed) => placed.item),
    usage: hasEnded(record) ? usageOf(chain) : null,
    service_tier: hasEnded(record) ? servedTier(chain) : requestedTier(record.request),
  };
}

/** The response before anything has happened, as `response.created` shows it. */
export function initialResource(record: ResponseRecord): ResponseResource {
  const { body } = record.request;
  return {
    id: publicResponseId(record.id),
    object: 'response',
    created_at: seconds(record.createdAt),
    completed_at: null,
    status: 'in_progress',
    incomplete_details: null,
    model: body.model,
    previous_response_id: record.previousResponseId === null ? null : publicResponseId(record.previousResponseId),
    conversation: record.conversationId === null ? null : { id: publicConversationId(record.conversationId) },
    instructions: body.instructions ?? null,
    output: [],
    error: null,
    tools: echoedTools(record.request),
    tool_choice: body.tool_choice ?? 'auto',
    truncation: body.truncation ?? 'disabled',
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    text: {
      format: echoedFormat(body.text?.format),
      ...(body.text?.verbosity ? { verbosity: body.text.verbosity } : {}),
    },
    top_p: body.top_p ?? 1,
    presence_penalty: body.presence_penalty ?? 0,
    frequency_penalty: body.frequency_penalty ?? 0,
    top_logprobs: body.top_logprobs ?? 0,
    temperature: body.temperature ?? 1,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: body.reasoning?.summary ?? null },
    usage: null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    store: body.store ?? true,
    background: body.background ?? false,
    service_tier: requestedTier(record.request),
    metadata: body.metadata ?? {},
    safety_identifier: body.safety_identifier ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    user: body.user ?? null,
  };
}

/** An output item with the step it comes from. Its index in the list is its `output_index`. */
export type PlacedItem = { step: ModelStep; item: ModelItem } | { step: ToolStep; item: ToolItem };

/**
 * The output of a scope in its order: what each model call produced, then the items of its calls, in the order of the
 * calls. That of the response is the output of its own scope; an agent's is shown as progress alone.
 */
export function outputOf(chain: readonly Step[], scope: Scope = null): PlacedItem[] {
  return stepsOf(chain, scope).flatMap((step): PlacedItem[] => {
    if (step.kind === 'tool_call') return [{ step, item: toolItem(step) }];
    const items = resultOf(step.outcome)?.items ?? [];
    return items.flatMap(({ item, held_back }) => (held_back ? [] : [{ step, item }]));
  });
}

/** The tokens of all model calls of a chain, at every depth. */
export function usageOf(chain: readonly Step[]): Usage {
  const usages = chain.flatMap((step) => (step.kind === 'model_call' ? (resultOf(step.outcome)?.usage ?? []) : []));
  const sum = (of: (usage: Usage) => number) => usages.reduce((total, usage) => total + of(usage), 0);
  return {
    input_tokens: sum((usage) => usage.input_tokens),
    input_tokens_details: { cached_tokens: sum((usage) => usage.input_tokens_details.cached_tokens) },
    output_tokens: sum((usage) => usage.output_tokens),
    output_tokens_details: { reasoning_tokens: sum((usage) => usage.output_tokens_details.reasoning_tokens) },
    total_tokens: sum((usage) => usage.total_tokens),
  };
}

function requestedTier(request: AcceptedRequest): string {
  return request.body.service_tier ?? 'auto';
}

/** What the last upstream that told anything of the response's own model calls says it gave. */
function servedTier(chain: readonly Step[]): string {
  const told = stepsOf(chain, null).flatMap((step) =>
    step.kind === 'model_call' ? (resultOf(step.outcome)?.service_tier ?? []) : [],
  );
  return told.at(-1) ?? 'default';
}

function echoedFormat(format: TextFormat | null | undefined): EchoedFormat {
  if (!format) return { type: 'text' };
  if (format.type !== 'json_schema') return format;
  const { type, name, description, strict } = format;
  return { type, name, description: description ?? null, schema: null, strict: strict ?? false };
}

function echoedTools(request: AcceptedRequest): EchoedTool[] {
  const client = (request.body.tools ?? []).map((tool) => ({
    type: 'function' as const,
    name: tool.name,
    description: tool.description ?? null,
    parameters: tool.parameters ?? null,
    strict: tool.strict ?? null,
  }));
  const server = request.server_tools.map((tool) => ({
    type: 'function' as const,
    name: tool.name,
    description: tool.description,
    parameters: parametersOfTool(tool),
    strict: false,
  }));
  const servers = (request.mcp_servers ?? []).filter((each) => !each.inner).map(echoedServer);
  return [...client, ...servers, ...server];
}

function echoedServer({ label, description, at, allowed_tools, require_approval: policy }: McpServer): EchoedTool {
  const named = (tool_names: string[]) => ({ tool_names });
  return {
    type: 'mcp',
    server_label: label,
    server_description: description,
    server_url: 'registered' in at ? null : at.shown,
    headers: null,
    allowed_tools,
    require_approval:
      typeof policy === 'string' ? policy : { always: named(policy.always), never: named(policy.never) },
  };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
