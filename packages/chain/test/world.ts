/** A world that a chain can be played through: what its model and its tools will answer, and in which order. */
import { errorInfo, itemId, newId, type OutputItem, type UnnumberedEvent } from '@tailrace/protocol';
import fc from 'fast-check';
import {
  type AcceptedRequest,
  begin,
  type FinishReason,
  isTerminal,
  type ModelResult,
  outputOf,
  type RecordedItem,
  type ResponseRecord,
  recordOutcome,
  type Step,
  type Transition,
  wholeItemEvents,
} from '../src/index.ts';

/** The tools that the server of every world runs. */
export const CLIENT_TOOL = 'client_function';
export const SERVER_TOOLS = ['search', 'weather'];

interface PlannedItem {
  kind: 'text' | 'refusal' | 'reasoning' | 'call';
  text: string;
  tool: string;
  status: 'completed' | 'incomplete';
  superseded: boolean;
  upstreamId: boolean;
}

interface PlannedAnswer {
  items: PlannedItem[];
  finish: FinishReason;
  outputTokens: number | null;
  failure: 'none' | 'with items' | 'without items';
}

/** Everything that a chain cannot know beforehand. Each list is gone through in a circle. */
export interface World {
  body: {
    max_tool_calls: number | null;
    max_output_tokens: number | null;
    background: boolean;
  };
  maxIterations: number;
  answers: PlannedAnswer[];
  toolFails: boolean[];
  /** Which of the running steps ends next. */
  order: number[];
}

const item: fc.Arbitrary<PlannedItem> = fc.record({
  kind: fc.constantFrom('text', 'refusal', 'reasoning', 'call', 'call', 'call'),
  text: fc.string({ maxLength: 6 }),
  tool: fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...SERVER_TOOLS) },
    { weight: 1, arbitrary: fc.constantFrom(CLIENT_TOOL, 'nobody_knows') },
  ),
  status: fc.oneof({ weight: 9, arbitrary: fc.constant('completed' as const) }, fc.constant('incomplete' as const)),
  superseded: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  upstreamId: fc.boolean(),
});

const answer: fc.Arbitrary<PlannedAnswer> = fc.record({
  items: fc.array(item, { maxLength: 5 }),
  finish: fc.oneof(
    { weight: 10, arbitrary: fc.constant('stop' as const) },
    fc.constantFrom('length' as const, 'content_filter' as const),
  ),
  outputTokens: fc.option(fc.nat(20)),
  failure: fc.oneof(
    { weight: 10, arbitrary: fc.constant('none' as const) },
    fc.constantFrom('with items' as const, 'without items' as const),
  ),
});

/** Any world. */
export const worlds: fc.Arbitrary<World> = fc.record({
  body: fc.record({
    max_tool_calls: fc.option(fc.integer({ min: 1, max: 5 })),
    max_output_tokens: fc.option(fc.integer({ min: 16, max: 60 })),
    background: fc.boolean(),
  }),
  maxIterations: fc.integer({ min: 1, max: 5 }),
  answers: fc.array(answer, { minLength: 1, maxLength: 5 }),
  toolFails: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
  order: fc.array(fc.nat(7), { minLength: 1, maxLength: 7 }),
});

/** The chain after an entry of its journal. */
export interface Moment {
  record: ResponseRecord;
  chain: readonly Step[];
  added: readonly Step[];
  /** The events that the model-caller had published when the entry recorded its step. */
  published: UnnumberedEvent[];
  /** The step whose outcome the entry records. */
  changed: Step | null;
}

/** The request that a world begins with. */
export function requestOf(world: World): AcceptedRequest {
  return {
    body: { model: 'm', input: [], tools: [{ type: 'function', name: CLIENT_TOOL }], ...world.body },
    server_tools: SERVER_TOOLS.map((name) => ({ name, description: null, parameters: null })),
    max_iterations: world.maxIterations,
  };
}

/** Plays a world to its end: one moment for each entry of the journal. */
export function play(world: World): Moment[] {
  let ids = 0;
  let now = 1_700_000_000_000;
  const context = () => {
    now += 700;
    return { now, newId: () => fixedId(++ids) };
  };
  const first = begin(
    {
      id: newId(now),
      owner: 'alice',
      request: requestOf(world),
      status: 'in_progress',
      error: null,
      incompleteReason: null,
      previousResponseId: null,
      createdAt: now,
      endedAt: null,
    },
    context(),
  );
  const moments = [momentOf(first, [])];
  // No world may need more: each model call has at most five calls, and each call one entry.
  const most = 1 + world.maxIterations * 6;
  for (let turn = 0; ; turn += 1) {
    const { record, chain } = moments.at(-1) ?? momentOf(first, []);
    const running = chain.filter((step) => !isTerminal(step));
    const step = running[circle(world.order, turn) % Math.max(1, running.length)];
    if (!step) return moments;
    if (moments.length > most) throw new Error(`the loop has not ended after ${most} entries`);
    const { report, published } = outcomeOf(world, step, record, chain);
    const next = recordOutcome(record, chain, { ...report, stepId: step.id, attempt: 1, startedAt: now }, context());
    if (!next) throw new Error('a running step has not been recorded');
    moments.push(momentOf(next, published));
  }
}

function momentOf({ record, chain, added, changed }: Transition, published: UnnumberedEvent[]): Moment {
  return { record, chain, added, changed, published };
}

function outcomeOf(world: World, step: Step, record: ResponseRecord, chain: readonly Step[]) {
  const earlier = chain.filter((each) => each.kind === step.kind && each.sequence < step.sequence).length;
  if (step.kind === 'tool_call') {
    const outcome = circle(world.toolFails, earlier)
      ? { error: errorInfo('tool_timeout', { ms: 1 }) }
      : { result: { output: `output of ${step.request.call_id}` } };
    return { report: { kind: 'tool_call' as const, outcome }, published: [] };
  }
  const plan = circle(world.answers, earlier);
  const result = resultOf(plan, step);
  const kept = plan.failure === 'without items' ? null : result;
  const firstIndex = outputOf(chain).length;
  const published = (kept?.items ?? []).flatMap((each, index) => wholeItemEvents(each.item, firstIndex + index));
  const error = plan.failure === 'none' ? null : errorInfo('upstream_timeout', { ms: 1 });
  const nextEvent = record.nextEvent + published.length;
  return { report: { kind: 'model_call' as const, result: kept, error, nextEvent }, published };
}

function resultOf(plan: PlannedAnswer, step: Step): ModelResult {
  const tokens = plan.outputTokens;
  return {
    items: plan.items.map((planned, position) => ({
      item: outputItem(planned, step, position),
      ...(planned.kind === 'call' && planned.upstreamId ? { upstream_call_id: `up_${position}` } : {}),
      ...(planned.superseded ? { superseded: true as const } : {}),
    })),
    finish: plan.finish,
    usage:
      tokens === null
        ? null
        : {
            input_tokens: 1,
            input_tokens_details: { cached_tokens: 0 },
            output_tokens: tokens,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: 1 + tokens,
          },
  };
}

function outputItem({ kind, text, tool, status }: PlannedItem, step: Step, position: number): RecordedItem['item'] {
  const id = (of: OutputItem['type'] | 'call') => itemId(of, step.id, position);
  switch (kind) {
    case 'call':
      return {
        type: 'function_call',
        id: id('function_call'),
        status,
        call_id: id('call'),
        name: tool,
        arguments: text,
      };
    case 'reasoning':
      return {
        type: 'reasoning',
        id: id('reasoning'),
        status,
        summary: [],
        content: [{ type: 'reasoning_text', text }],
      };
    case 'text': {
      const part = { type: 'output_text' as const, text, annotations: [], logprobs: [] };
      return { type: 'message', id: id('message'), status, role: 'assistant', content: [part] };
    }
    case 'refusal':
      return {
        type: 'message',
        id: id('message'),
        status,
        role: 'assistant',
        content: [{ type: 'refusal', refusal: text }],
      };
  }
}

function fixedId(count: number): string {
  return `018f0000-0000-7000-8000-${count.toString(16).padStart(12, '0')}`;
}

function circle<T>(list: readonly T[], index: number): T {
  const value = list[index % list.length];
  if (value === undefined) throw new Error('a list of a world is never empty');
  return value;
}
