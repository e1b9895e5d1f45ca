/** I5 in what is recorded: every step ends once, in one way, and nothing follows the same thing twice. */
import { brokenScopes } from './check-scopes.ts';
import type { StepRow } from './evidence.ts';
import { eventIn } from './frame.ts';
import { progressIn } from './progress.ts';
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/** What is wrong with the steps of a response. */
export function checkSteps({ evidence }: Subject): Finding[] {
  const { row, steps, log } = evidence;
  if (!row) return [];
  const found = [
    ...steps.flatMap((step) => brokenStep(step, row) ?? []),
    ...repeated(steps.map(({ parentStepId, prevStepId }) => `${parentStepId} ${prevStepId}`)).map(
      (place) => `two steps follow ${place.split(' ')[1]} in scope ${place.split(' ')[0]}`,
    ),
    ...brokenScopes(steps),
    ...repeated(log.flatMap(({ step, sealed }) => (sealed && step !== null ? [step] : []))).map(
      (step) => `step ${step} was sealed twice in the log`,
    ),
  ];
  return found.map((what) => ({ invariant: 'I5', what }));
}

const STATE_TIMES = { completed: 'completedAt', failed: 'failedAt', canceled: 'canceledAt' } as const;

function brokenStep(step: StepRow, { entries, endedAt }: { entries: number; endedAt: number | null }) {
  const name = `step ${step.id} (${step.kind}, ${step.state})`;
  const outcomes = Object.entries(STATE_TIMES).flatMap(([state, time]) => (step[time] === null ? [] : [state]));
  if (outcomes.length > 1) return `${name} ended twice: ${outcomes.join(', ')}`;
  if (outcomes.length === 1 && outcomes[0] !== step.state) return `${name} says when it was ${outcomes[0]}`;
  if ((outcomes.length === 1) !== (step.endedEntry !== null)) return `${name} has an outcome without its entry`;
  if (step.endedEntry === null) return endedAt === null ? undefined : `${name} is open, and its response has ended`;
  // A call that is refused without being run ends in the entry that adds it.
  const refused = step.kind === 'tool_call' && step.state === 'failed' && step.addedEntry === step.endedEntry;
  const ordered = (refused || step.addedEntry < step.endedEntry) && step.endedEntry <= entries;
  return ordered
    ? undefined
    : `${name} was added by entry ${step.addedEntry} and ended by ${step.endedEntry} of ${entries}`;
}

/** One answer for each call, wherever it was made: items that the log adds twice. Only for a log whose frames are sound. */
export function checkOutputs({ logFrames, losses }: Subject): Finding[] {
  if (losses.length > 0) return [];
  const own = logFrames.filter(({ type }) => type === 'response.output_item.added').map(eventIn);
  const answered = [...own, ...progressIn(logFrames).map(({ event }) => event)].flatMap((event) => {
    return event.type === 'response.output_item.added' ? callOf(event.item) : [];
  });
  return repeated(answered).map((call) => ({ invariant: 'I5', what: `${call} was answered twice` }));
}

/** The call that an item answers; what an MCP server is asked has an item of its own. */
function callOf(item: unknown): string[] {
  const { type, id, call_id } = (item ?? {}) as { type?: unknown; id?: unknown; call_id?: unknown };
  switch (type) {
    case 'function_call_output':
      return [`call ${String(call_id)}`];
    case 'mcp_call':
    case 'mcp_list_tools':
      return [`${type} ${String(id)}`];
    default:
      return [];
  }
}

function repeated(values: readonly string[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const value of values) {
    if (seen.has(value)) twice.add(value);
    seen.add(value);
  }
  return [...twice];
}
