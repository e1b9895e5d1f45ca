/** The response as its chain tells it. Pure; it is never stored a second time. */
import {
  type EchoedTool,
  itemId,
  type OutputFunctionCallOutput,
  type OutputItem,
  publicResponseId,
  type ResponseResource,
  type Usage,
} from '@tailrace/protocol';
import { type AcceptedRequest, hasEnded, type ResponseRecord } from './accepted.ts';
import { type Step, stepsOf, type ToolStep } from './step.ts';

/** What `GET /v1/responses/{id}` returns (I3). The usage is told at the end, as in the events. */
export function assemble(record: ResponseRecord, chain: readonly Step[]): ResponseResource {
  return {
    ...initialResource(record),
    status: record.status,
    completed_at: record.status === 'completed' && record.endedAt !== null ? seconds(record.endedAt) : null,
    error: record.error,
    incomplete_details: record.incompleteReason === null ? null : { reason: record.incompleteReason },
    output: outputOf(chain).map((placed) => placed.item),
    usage: hasEnded(record) ? usageOf(chain) : null,
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
    instructions: body.instructions ?? null,
    output: [],
    error: null,
    tools: echoedTools(record.request),
    tool_choice: body.tool_choice ?? 'auto',
    truncation: body.truncation ?? 'disabled',
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    text: {
      format: body.text?.format ?? { type: 'text' },
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
    service_tier: 'default',
    metadata: body.metadata ?? {},
    safety_identifier: body.safety_identifier ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
  };
}

/** An output item with the step it comes from. Its index in the list is its `output_index`. */
export interface PlacedItem {
  step: Step;
  item: OutputItem;
}

/** The output in its order: what each model call produced, then the outputs of its calls, in the order of the calls. */
export function outputOf(chain: readonly Step[]): PlacedItem[] {
  return stepsOf(chain, null).flatMap((step): PlacedItem[] => {
    if (step.kind === 'tool_call') return [{ step, item: toolOutputItem(step) }];
    const { outcome } = step;
    const result = outcome.state === 'completed' || outcome.state === 'failed' ? outcome.result : null;
    return (result?.items ?? []).map(({ item }) => ({ step, item }));
  });
}

/** The `function_call_output` item of a tool step, in progress until the step has ended. */
export function toolOutputItem(step: ToolStep): OutputFunctionCallOutput {
  const base = {
    type: 'function_call_output',
    id: itemId('function_call_output', step.id, 0),
    call_id: step.request.call_id,
  } as const;
  switch (step.outcome.state) {
    case 'pending':
    case 'processing':
      return { ...base, output: '', status: 'in_progress' };
    case 'canceled':
      return { ...base, output: '', status: 'incomplete' };
    case 'completed':
    case 'failed':
      return { ...base, output: toolOutputText(step), status: 'completed' };
  }
}

/** What the model reads as the output of a call: the tool's output, or its error. Empty while the call runs. */
export function toolOutputText(step: ToolStep): string {
  switch (step.outcome.state) {
    case 'completed':
      return step.outcome.result.output;
    case 'failed':
      return JSON.stringify({ error: step.outcome.error });
    case 'pending':
    case 'processing':
    case 'canceled':
      return '';
  }
}

/** The tokens of all model calls of a chain, at every depth; null when no call has told any. */
export function usageOf(chain: readonly Step[]): Usage | null {
  const usages = chain.flatMap((step) => {
    if (step.kind !== 'model_call') return [];
    if (step.outcome.state !== 'completed' && step.outcome.state !== 'failed') return [];
    return step.outcome.result?.usage ?? [];
  });
  if (usages.length === 0) return null;
  const sum = (of: (usage: Usage) => number) => usages.reduce((total, usage) => total + of(usage), 0);
  return {
    input_tokens: sum((usage) => usage.input_tokens),
    input_tokens_details: { cached_tokens: sum((usage) => usage.input_tokens_details.cached_tokens) },
    output_tokens: sum((usage) => usage.output_tokens),
    output_tokens_details: { reasoning_tokens: sum((usage) => usage.output_tokens_details.reasoning_tokens) },
    total_tokens: sum((usage) => usage.total_tokens),
  };
}

function echoedTools(request: AcceptedRequest): EchoedTool[] {
  const client = (request.body.tools ?? []).map((tool) => ({
    type: 'function' as const,
    name: tool.name,
    description: tool.description ?? null,
    parameters: tool.parameters ?? null,
    strict: tool.strict ?? null,
  }));
  const server = request.server_tools.map(({ name, description, parameters }) => ({
    type: 'function' as const,
    name,
    description,
    parameters,
    strict: false,
  }));
  return [...client, ...server];
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
