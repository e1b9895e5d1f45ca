/** A world that a chain can be played through: what its model and its tools will answer, and in which order. */
import { errorInfo, foldItems, type ModelItem, newId, type StepId, type UnnumberedEvent } from '@tailrace/protocol';
import fc from 'fast-check';
import {
  type AcceptedRequest,
  begin,
  cancel,
  closeItem,
  isTerminal,
  type ModelResult,
  outputOf,
  type ResponseRecord,
  recordOutcome,
  type Step,
  type Transition,
  wholeItemEvents,
} from '../src/index.ts';
import { answers, CLIENT_TOOL, type PlannedAnswer, resultOfPlan, SERVER_TOOLS } from './answers.ts';

/** Everything that a chain cannot know beforehand. Each list is gone through in a circle. */
export interface World {
  body: {
    max_tool_calls: number | null;
    max_output_tokens: number | null;
    background: boolean;
  } & Partial<AcceptedRequest['body']>;
  maxIterations: number;
  answers: PlannedAnswer[];
  toolFails: boolean[];
  /** Which of the running steps ends next. */
  order: number[];
  /** When the response is cancelled, unless it has ended: after how many entries, and after how many of a model's events. */
  cancel: { entries: number; events: number } | null;
}

const echoed: fc.Arbitrary<Partial<AcceptedRequest['body']>> = fc.record(
  {
    instructions: fc.option(fc.string()),
    tool_choice: fc.constantFrom(
      null,
      'auto' as const,
      { type: 'function' as const, name: 'search' },
      { type: 'allowed_tools' as const, mode: 'auto' as const, tools: [{ type: 'function' as const, name: 'search' }] },
    ),
    text: fc.constantFrom(
      null,
      { verbosity: 'low' as const },
      { format: { type: 'json_object' as const } },
      { format: { type: 'json_schema' as const, name: 'n', schema: { type: 'object' } } },
    ),
    reasoning: fc.constantFrom(null, { effort: 'low' as const }, { summary: 'auto' as const }),
    temperature: fc.option(fc.double({ min: 0, max: 2, noNaN: true })),
    metadata: fc.option(fc.constantFrom({}, { a: 'b' })),
    service_tier: fc.constantFrom(null, 'auto' as const, 'flex' as const),
    user: fc.option(fc.string()),
  },
  { requiredKeys: [] },
);

/** Any world. */
export const worlds: fc.Arbitrary<World> = fc.record({
  body: fc
    .tuple(
      fc.record({
        max_tool_calls: fc.option(fc.integer({ min: 1, max: 5 })),
        max_output_tokens: fc.option(fc.integer({ min: 16, max: 60 })),
        background: fc.boolean(),
      }),
      echoed,
    )
    .map(([limits, others]) => ({ ...others, ...limits })),
  maxIterations: fc.integer({ min: 1, max: 5 }),
  answers: fc.array(answers, { minLength: 1, maxLength: 5 }),
  toolFails: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
  order: fc.array(fc.nat(7), { minLength: 1, maxLength: 7 }),
  cancel: fc.option(fc.record({ entries: fc.constantFrom(1, 1, 2, 3, 4, 8), events: fc.nat(20) }), { freq: 2 }),
});

/** The chain after an entry of its journal. */
export interface Moment {
  record: ResponseRecord;
  chain: readonly Step[];
  added: readonly Step[];
  /** The events that the model-caller had published when the entry recorded its step. */
  published: UnnumberedEvent[];
  /** The steps whose outcomes the entry records. */
  changed: readonly Step[];
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
      conversationId: world.cancel ? newId(now) : null,
      conversationPosition: world.cancel ? 0 : null,
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
    if (world.cancel && record.entries >= world.cancel.entries) {
      const { partial, published } = publishedUntil(world, world.cancel.events, record, chain);
      const nextEvent = record.nextEvent + published.length;
      const cancelled = cancel(record, chain, { partial, nextEvent }, context().now);
      if (!cancelled) throw new Error('a response that runs has not been cancelled');
      return [...moments, momentOf(cancelled, published)];
    }
    const { report, published } = outcomeOf(world, step, record, chain);
    const next = recordOutcome(record, chain, { ...report, stepId: step.id, attempt: 1, startedAt: now }, context());
    if (!next) throw new Error('a running step has not been recorded');
    moments.push(momentOf(next, published));
  }
}

function momentOf({ record, chain, added, changed }: Transition, published: UnnumberedEvent[]): Moment {
  return { record, chain, added, changed, published };
}

const earlierOf = (chain: readonly Step[], step: Step) =>
  chain.filter((each) => each.kind === step.kind && each.sequence < step.sequence).length;

function outcomeOf(world: World, step: Step, record: ResponseRecord, chain: readonly Step[]) {
  const earlier = earlierOf(chain, step);
  if (step.kind === 'tool_call') {
    const outcome = circle(world.toolFails, earlier)
      ? { error: errorInfo('tool_timeout', { ms: 1 }) }
      : { result: { output: `output of ${step.request.call_id}` } };
    return { report: { kind: 'tool_call' as const, outcome }, published: [] };
  }
  const plan = circle(world.answers, earlier);
  const result = resultOfPlan(plan, step);
  const kept = plan.failure === 'without items' ? null : result;
  const published = eventsOf(kept?.items ?? [], chain);
  const error = plan.failure === 'none' ? null : errorInfo('upstream_timeout', { ms: 1 });
  const nextEvent = record.nextEvent + published.length;
  return { report: { kind: 'model_call' as const, result: kept, error, nextEvent }, published };
}

/** What an open model call has published after so many events; the item that it was in is closed as it stands. */
function publishedUntil(world: World, count: number, record: ResponseRecord, chain: readonly Step[]) {
  const partial = new Map<StepId, ModelResult>();
  const step = chain.find((each) => each.kind === 'model_call' && !isTerminal(each));
  if (!step) return { partial, published: [] };
  const result = resultOfPlan(circle(world.answers, earlierOf(chain, step)), step);
  const shown = eventsOf(result.items, chain).slice(0, count);
  const firstIndex = outputOf(chain).length;
  const numbered = shown.map((event, index) => ({ ...event, sequence_number: record.nextEvent + index }));
  const closed = foldItems(numbered, firstIndex).flatMap((item, index): ReturnType<typeof closeItem>[] => {
    if (item.type === 'function_call_output') return [];
    return [item.status === 'in_progress' ? closeItem(item, firstIndex + index, shown) : { item, events: [] }];
  });
  if (closed.length > 0) partial.set(step.id, { ...result, items: closed.map(({ item }) => ({ item })) });
  return { partial, published: [...shown, ...closed.flatMap((each) => each.events)] };
}

function eventsOf(items: readonly { item: ModelItem }[], chain: readonly Step[]): UnnumberedEvent[] {
  const firstIndex = outputOf(chain).length;
  return items.flatMap(({ item }, index) => wholeItemEvents(item, firstIndex + index));
}

function fixedId(count: number): string {
  return `018f0000-0000-7000-8000-${count.toString(16).padStart(12, '0')}`;
}

function circle<T>(list: readonly T[], index: number): T {
  const value = list[index % list.length];
  if (value === undefined) throw new Error('a list of a world is never empty');
  return value;
}
