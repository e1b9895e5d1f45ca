/** Plays worlds. */
import {
  type ErrorInfo,
  errorInfo,
  foldItems,
  type ItemEvent,
  newId,
  type StepId,
  type UnnumberedEvent,
} from '@tailrace/protocol';
import {
  agentPlaceOf,
  begin,
  type CheckArguments,
  cancel,
  closeItem,
  expireScope,
  heldBackTools,
  isScopeStep,
  isTerminal,
  type ModelResult,
  type ModelStep,
  outputOf,
  progressEvent,
  type ResponseRecord,
  recordOutcome,
  type Step,
  type StepOutcome,
  stepsBelow,
  type ToolStep,
  type Transition,
  timeLimitOf,
  wholeItemEvents,
} from '../src/index.ts';
import { LAST_WORD, resultOfPlan } from './answers.ts';
import { MCP_TOOLS, mcpTool } from './offers.ts';
import { requestOf, type World } from './world.ts';

/** The chain after an entry of its journal. */
export interface Moment {
  record: ResponseRecord;
  chain: readonly Step[];
  added: readonly Step[];
  /** The events that the model-callers had published when the entry recorded their steps. */
  published: UnnumberedEvent[];
  /** The steps whose outcomes the entry records. */
  changed: readonly Step[];
  /** Makes the entry once more, from what was there before it. */
  redo: (record: ResponseRecord, chain: readonly Step[]) => Transition | null;
}

/** After so many model calls every model has its last word: agents that call agents would go on for long. */
const MODEL_CALLS = 14;
/** No world may need more entries. */
const MOST = 500;

/** What the arguments of agents are checked by. */
export const checkOf =
  ({ wrongArguments }: World): CheckArguments =>
  (text): ErrorInfo | null =>
    wrongArguments > 0 && text.length === wrongArguments
      ? errorInfo('tool_invalid_arguments', { reason: 'it is so long' })
      : null;

/** Plays a world to its end: one moment for each entry of the journal. */
export function play(world: World): Moment[] {
  let ids = 0;
  let now = 1_700_000_000_000;
  const context = (overdue: ReadonlySet<StepId> = new Set()) => {
    now += 700;
    const from = ids;
    let made = 0;
    const at = now;
    return () => {
      made = 0;
      return {
        now: at,
        overdue,
        checkArguments: checkOf(world),
        newId: () => {
          made += 1;
          ids = Math.max(ids, from + made);
          return fixedId(from + made);
        },
      };
    };
  };
  const first = {
    id: newId(now),
    owner: 'alice',
    request: requestOf(world),
    status: 'in_progress' as const,
    error: null,
    incompleteReason: null,
    previousResponseId: null,
    conversationId: world.cancel ? newId(now) : null,
    conversationPosition: world.cancel ? 0 : null,
    createdAt: now,
    endedAt: null,
  };
  const beginning = context();
  const moments = [momentOf(() => begin(first, beginning()), [], { ...first, entries: 0, nextEvent: 0 }, [])];
  for (let turn = 0; ; turn += 1) {
    const last = moments.at(-1);
    if (!last) throw new Error('a played world has moments');
    const { record, chain } = last;
    const running = chain.filter((step) => !isTerminal(step) && !isScopeStep(step));
    const step = running[circle(world.order, turn) % Math.max(1, running.length)];
    if (!step) return moments;
    if (moments.length > MOST) throw new Error(`the loop has not ended after ${MOST} entries`);
    const overdue = overdueIn(record, chain, now + 700);
    const at = context(overdue);
    const [late] = overdue;
    // Sometimes a step is recorded first.
    if (late !== undefined && turn % 2 === 0) {
      const { partial, published } = publishedUntil(world, 1 + (turn % 7), record, chain, stepsBelow(chain, late));
      const known = { partial, events: published.length };
      moments.push(momentOf((from, steps) => expireScope(from, steps, late, known, at()), published, record, chain));
      continue;
    }
    if (world.cancel && record.entries >= world.cancel.entries) {
      const { partial, published } = publishedUntil(world, world.cancel.events, record, chain);
      const known = { partial, nextEvent: record.nextEvent + published.length };
      moments.push(momentOf((from, steps) => cancel(from, steps, known, at().now), published, record, chain));
      continue;
    }
    const { report, published } = outcomeOf(world, step, record, chain);
    const told = { ...report, stepId: step.id, attempt: 1, startedAt: now };
    moments.push(momentOf((from, steps) => recordOutcome(from, steps, told, at()), published, record, chain));
  }
}

/** The calls of agents whose time is up. */
function overdueIn(record: ResponseRecord, chain: readonly Step[], now: number): Set<StepId> {
  const late = chain.filter((step) => {
    const limit = isTerminal(step) ? null : timeLimitOf(record.request, step);
    return limit !== null && now - step.createdAt > limit;
  });
  return new Set(late.map(({ id }) => id));
}

function momentOf(
  redo: Moment['redo'],
  published: UnnumberedEvent[],
  record: ResponseRecord,
  chain: readonly Step[],
): Moment {
  const made = redo(record, chain);
  if (!made) throw new Error('what runs has not been recorded');
  return { ...made, published, redo };
}

const earlierOf = (chain: readonly Step[], step: Step) =>
  chain.filter((each) => each.kind === step.kind && each.sequence < step.sequence).length;

function outcomeOf(
  world: World,
  step: Step,
  record: ResponseRecord,
  chain: readonly Step[],
): { report: StepOutcome; published: UnnumberedEvent[] } {
  if (step.kind === 'tool_call') {
    const failed = circle(world.toolFails, earlierOf(chain, step));
    const outcome = failed ? { error: errorInfo('tool_timeout', { ms: 1 }) } : { result: toolResult(step) };
    return { report: { kind: 'tool_call', outcome }, published: [] };
  }
  const plan = planOf(world, chain, step);
  const result = answerOf(world, record, chain, step);
  const kept = plan.failure === 'without items' ? null : result;
  const published = kept === null ? [] : shown(record, chain, step, eventsOf(kept, chain, step));
  const error = plan.failure === 'none' ? null : errorInfo('upstream_timeout', { ms: 1 });
  const nextEvent = record.nextEvent + published.length;
  const report = { kind: step.kind, result: kept, error, nextEvent, events: published.length };
  return { report, published };
}

function toolResult({ request }: ToolStep) {
  const output = `output of ${request.call_id}`;
  const { mcp } = request;
  return mcp?.do === 'list' ? { output: '', tools: (MCP_TOOLS[mcp.server] ?? []).map(mcpTool) } : { output };
}

function planOf(world: World, chain: readonly Step[], step: ModelStep) {
  const earlier = earlierOf(chain, step);
  return earlier < MODEL_CALLS ? circle(world.answers, earlier) : LAST_WORD;
}

function answerOf(world: World, record: ResponseRecord, chain: readonly Step[], step: ModelStep): ModelResult {
  const heldBack = heldBackTools(record.request, chain, step.parentStepId);
  return resultOfPlan(planOf(world, chain, step), step, heldBack);
}

/** What the open model calls have published after so many events each; the items that they were in are closed as they stand. */
function publishedUntil(
  world: World,
  count: number,
  record: ResponseRecord,
  chain: readonly Step[],
  steps: readonly Step[] = chain,
) {
  const partial = new Map<StepId, ModelResult>();
  const published = steps.flatMap((step) => {
    if (step.kind !== 'model_call' || isTerminal(step)) return [];
    const result = answerOf(world, record, chain, step);
    const seen = shown(record, chain, step, eventsOf(result, chain, step)).length;
    const told = eventsOf(result, chain, step).slice(0, seen === 0 ? 0 : count);
    const firstIndex = outputOf(chain, step.parentStepId).length;
    const numbered = told.map((event, sequence_number) => ({ ...event, sequence_number }));
    const closed = foldItems(numbered, firstIndex).map((item, index): ReturnType<typeof closeItem> => {
      return item.status === 'in_progress' ? closeItem(item, firstIndex + index, told) : { item, events: [] };
    });
    if (closed.length > 0) partial.set(step.id, { ...result, items: closed.map(({ item }) => ({ item })) });
    return shown(record, chain, step, [...told, ...closed.flatMap(({ events }) => events)]);
  });
  return { partial, published };
}

/** The events of what a model call shows; `output_index` counts in its scope. */
function eventsOf(result: ModelResult, chain: readonly Step[], step: ModelStep): ItemEvent[] {
  const firstIndex = outputOf(chain, step.parentStepId).length;
  return result.items
    .filter(({ held_back }) => !held_back)
    .flatMap(({ item }, index) => wholeItemEvents(item, firstIndex + index));
}

/** The events as a model-caller puts them into the log. */
function shown(
  record: ResponseRecord,
  chain: readonly Step[],
  step: ModelStep,
  events: ItemEvent[],
): UnnumberedEvent[] {
  const place = agentPlaceOf(record.request, chain, step);
  if (place === null) return events;
  return place.shown ? events.map((event) => progressEvent(event, step.id, place)) : [];
}

function fixedId(count: number): string {
  return `018f0000-0000-7000-8000-${count.toString(16).padStart(12, '0')}`;
}

function circle<T>(list: readonly T[], index: number): T {
  const value = list[index % list.length];
  if (value === undefined) throw new Error('a list of a world is never empty');
  return value;
}
