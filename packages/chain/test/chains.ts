/** Chains for tables: `chainOf(model([...]), tool(...))` reads as what has happened. */
import { type ErrorInfo, errorInfo, itemId, type Usage } from '@tailrace/protocol';
import type {
  AcceptedRequest,
  FinishReason,
  ModelResult,
  ModelStep,
  Outcome,
  RecordedItem,
  ResponseRecord,
  Step,
  ToolResult,
  ToolStep,
} from '../src/index.ts';

/** The id of the step at `sequence` of turn `turn`. */
export const stepId = (sequence: number, turn = 0): string =>
  `018f0000-0000-7000-800${turn}-${sequence.toString(16).padStart(12, '0')}`;

/** The public id of the call at `position` of a model step. */
export const callId = (sequence: number, position: number, turn = 0): string =>
  itemId('call', stepId(sequence, turn), position);

type Make<S extends Step> = (id: string) => Pick<S, 'kind' | 'request' | 'outcome'>;
type ItemMaker = (step: string, position: number) => RecordedItem;

/** A message of the model. */
export const text =
  (content: string, status: 'completed' | 'incomplete' = 'completed'): ItemMaker =>
  (step, position) => ({
    item: {
      type: 'message',
      id: itemId('message', step, position),
      status,
      role: 'assistant',
      content: [{ type: 'output_text', text: content, annotations: [], logprobs: [] }],
    },
  });

/** A refusal of the model. */
export const refusal =
  (content: string): ItemMaker =>
  (step, position) => ({
    item: {
      type: 'message',
      id: itemId('message', step, position),
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'refusal', refusal: content }],
    },
  });

/** What the model thought. */
export const reasoning =
  (content: string): ItemMaker =>
  (step, position) => ({
    item: {
      type: 'reasoning',
      id: itemId('reasoning', step, position),
      status: 'completed',
      summary: [],
      content: [{ type: 'reasoning_text', text: content }],
    },
  });

/** A call of the model, with the upstream's id for it. */
export const call =
  (name: string, upstream?: string, status: 'completed' | 'incomplete' = 'completed'): ItemMaker =>
  (step, position) => ({
    item: {
      type: 'function_call',
      id: itemId('function_call', step, position),
      status,
      call_id: itemId('call', step, position),
      name,
      arguments: '{"q":1}',
    },
    ...(upstream ? { upstream_call_id: upstream } : {}),
  });

/** An item that a dead attempt left behind. */
export const superseded =
  (make: ItemMaker): ItemMaker =>
  (step, position) => ({ ...make(step, position), superseded: true });

/** A usage of so many output tokens. */
export const usage = (output: number): Usage => ({
  input_tokens: 10,
  input_tokens_details: { cached_tokens: 4 },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: 1 },
  total_tokens: 10 + output,
});

const modelStep =
  (outcome: (id: string) => Outcome<ModelResult>): Make<ModelStep> =>
  (id) => ({ kind: 'model_call', request: { model: 'm' }, outcome: outcome(id) });

/** How a model call ended: why, after how many output tokens, and in which class of service. */
interface ModelEnd {
  finish?: FinishReason;
  output?: number;
  tier?: string;
}

/** A model call that has ended. */
export const model = (items: ItemMaker[], end: ModelEnd = {}): Make<ModelStep> =>
  modelStep((id) => ({ state: 'completed', result: modelResult(id, items, end) }));

/** A model call that has failed, with what it had until then. */
export const failedModel = (items: ItemMaker[] | null): Make<ModelStep> =>
  modelStep((id) => ({
    state: 'failed',
    error: UPSTREAM_ERROR,
    result: items === null ? null : modelResult(id, items, {}),
  }));

/** A model call that was canceled, with what it had published until then. */
export const canceledModel = (items: ItemMaker[], end: ModelEnd = {}): Make<ModelStep> =>
  modelStep((id) => ({ state: 'canceled', result: modelResult(id, items, end) }));

/** A model call in a state without a result. */
export const modelIn = (state: 'pending' | 'processing' | 'canceled'): Make<ModelStep> =>
  modelStep(() => (state === 'canceled' ? { state, result: null } : { state }));

/** What {@link failedModel} fails with. */
export const UPSTREAM_ERROR: ErrorInfo = errorInfo('upstream_error', { status: 500, reason: 'out of memory' });

/** What a failed tool fails with. */
export const TOOL_ERROR: ErrorInfo = errorInfo('tool_timeout', { ms: 30 });

/** A tool call that has ended with an output or an error, or is in a state without either. */
export const tool =
  (
    name: string,
    call_id: string,
    outcome: { output: string } | ErrorInfo | 'pending' | 'processing' | 'canceled',
  ): Make<ToolStep> =>
  () => ({
    kind: 'tool_call',
    request: { tool: name, call_id, arguments: '{"q":1}' },
    outcome: toolOutcome(outcome),
  });

/** The chain of these steps, one after the other; with an entry of the journal for each. */
export function chainOf(makes: (Make<ModelStep> | Make<ToolStep>)[], turn = 0): Step[] {
  return makes.map((make, index) => {
    const id = stepId(index + 1, turn);
    const made = make(id);
    const ended = made.outcome.state !== 'pending' && made.outcome.state !== 'processing';
    return {
      ...made,
      id,
      parentStepId: null,
      prevStepId: index === 0 ? null : stepId(index, turn),
      sequence: index + 1,
      attempt: 1,
      addedEntry: index + 1,
      endedEntry: ended ? index + 2 : null,
      createdAt: 0,
      startedAt: 1,
      endedAt: ended ? 2 : null,
    } as Step;
  });
}

/** A request in which the server runs `server` and the client offers `client`. */
export function requestWith(
  body: Partial<AcceptedRequest['body']> = {},
  tools: { server?: string[]; client?: string[]; maxIterations?: number } = {},
): AcceptedRequest {
  return {
    body: {
      model: 'm',
      input: [],
      ...(tools.client ? { tools: tools.client.map((name) => ({ type: 'function' as const, name })) } : {}),
      ...body,
    },
    server_tools: (tools.server ?? []).map((name) => ({ name, description: null, parameters: null })),
    max_iterations: tools.maxIterations ?? 10,
  };
}

/** A response that is under way. */
export function recordOf(request: AcceptedRequest, fields: Partial<ResponseRecord> = {}): ResponseRecord {
  return {
    id: '018f0000-0000-7000-9000-000000000000',
    owner: 'alice',
    request,
    status: 'in_progress',
    error: null,
    incompleteReason: null,
    previousResponseId: null,
    conversationId: null,
    conversationPosition: null,
    createdAt: 1_700_000_000_999,
    endedAt: null,
    entries: 1,
    nextEvent: 0,
    ...fields,
  };
}

function modelResult(id: string, items: ItemMaker[], end: ModelEnd): ModelResult {
  return {
    items: items.map((make, position) => make(id, position)),
    finish: end.finish ?? 'stop',
    usage: end.output === undefined ? null : usage(end.output),
    ...(end.tier === undefined ? {} : { service_tier: end.tier }),
  };
}

function toolOutcome(
  outcome: { output: string } | ErrorInfo | 'pending' | 'processing' | 'canceled',
): Outcome<ToolResult> {
  if (outcome === 'canceled') return { state: outcome, result: null };
  if (typeof outcome === 'string') return { state: outcome };
  if ('output' in outcome) return { state: 'completed', result: outcome };
  return { state: 'failed', error: outcome, result: null };
}
