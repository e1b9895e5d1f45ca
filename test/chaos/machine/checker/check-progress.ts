/** What clients are shown of agents: only if they have asked, each event once and in its place, and what the agents came to. */
import type { StepRow } from './evidence.ts';
import { type Resource, Unfoldable } from './fold.ts';
import { type Frame, isTerminal } from './frame.ts';
import { type AgentOutput, foldProgress, type Progress, progressIn } from './progress.ts';
import { wholeOf } from './since-jump.ts';
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/** Judges the log, and every client's whole view that is not the same. Only for streams that are sound, and the same everywhere. */
export function checkProgress(subject: Subject): Finding[] {
  const { logFrames, views } = subject;
  const others = views.filter(({ frames }) => !isSame(frames, logFrames));
  return [{ name: 'the log', frames: logFrames }, ...others].flatMap(({ name, frames }) => {
    const finding = brokenProgress(subject, frames);
    return finding === undefined ? [] : [{ ...finding, what: `${name}: ${finding.what}` }];
  });
}

function isSame(frames: readonly Frame[], others: readonly Frame[]): boolean {
  return frames.length === others.length && frames.every(({ text }, index) => text === others[index]?.text);
}

function brokenProgress(subject: Subject, frames: readonly Frame[]): Finding | undefined {
  const { include } = subject.record.request;
  const isAskedFor = Array.isArray(include) && include.includes('tailrace.progress');
  const [first] = progressIn(frames);
  if (!isAskedFor) {
    return first && { invariant: 'I3', what: `event ${first.number} tells of an agent, and nobody has asked for that` };
  }
  const last = frames.at(-1);
  if (!last || !isTerminal(last)) return undefined;
  const whole = wholeOf(subject, frames);
  if (whole?.[0]?.type !== 'response.created') return undefined;
  const progress = progressIn(whole);
  const misplaced = brokenPlaces(subject, progress);
  if (misplaced !== undefined) return { invariant: 'I3', what: misplaced };
  try {
    const agents = foldProgress(progress);
    const untold = last.type === 'response.completed' ? untoldOf(subject, agents) : undefined;
    if (untold !== undefined) return { invariant: 'I1', what: untold };
    const what = brokenWords(subject, agents, whole);
    return what === undefined ? undefined : { invariant: 'I3', what };
  } catch (error) {
    if (error instanceof Unfoldable) return { invariant: 'I1', what: `inside an agent, ${error.message}` };
    throw error;
  }
}

/** As clients name it. */
const publicId = ({ id }: Pick<StepRow, 'id'>) => `step_${hexOf(id)}`;
const hexOf = (id: string) => id.replaceAll('-', '');

/** Each event says of its step where that is. */
function brokenPlaces({ evidence }: Subject, progress: readonly Progress[]): string | undefined {
  // Of a response that was deleted there is nothing to compare with.
  if (evidence.row === null) return undefined;
  const steps = new Map(evidence.steps.map((step) => [publicId(step), step]));
  const byId = new Map(evidence.steps.map((step) => [step.id, step]));
  const openerOf = ({ parentStepId }: StepRow) => (parentStepId === null ? undefined : byId.get(parentStepId));
  for (const { number, step: name, parent, depth } of progress) {
    const step = steps.get(name);
    if (!step) return `event ${number} is of ${name}, which is not there`;
    const opener = openerOf(step);
    if (!opener || publicId(opener) !== parent) return `event ${number} says that ${name} is below ${parent}`;
    let openers = 0;
    for (let at: StepRow | undefined = opener; at; at = openerOf(at)) openers += 1;
    if (depth !== openers) return `event ${number} says depth ${depth}, ${name} is at ${openers}`;
  }
  return undefined;
}

/** When all went well every step has told its items, to their ends. */
function untoldOf({ evidence }: Subject, agents: ReadonlyMap<string, AgentOutput>): string | undefined {
  const told = new Set([...agents.values()].flatMap(({ byStep }) => [...byStep.keys()]));
  const untold = evidence.steps.find((step) => {
    return step.parentStepId !== null && step.state === 'completed' && !told.has(publicId(step));
  });
  if (untold) return `of step ${untold.id} (${untold.kind}), inside an agent, no item was told`;
  const open = [...agents].find(([, { output }]) => output.open.length > 0);
  return open && `inside ${open[0]}, items ${open[1].output.open.join(', ')} have no end`;
}

/** What an agent's model said last is what the agent's call came to. */
function brokenWords(
  { evidence }: Subject,
  agents: ReadonlyMap<string, AgentOutput>,
  frames: readonly Frame[],
): string | undefined {
  const outputs = [...outputsIn(frames), ...[...agents.values()].flatMap(({ output }) => output.items)];
  for (const opener of evidence.steps) {
    const agent = agents.get(publicId(opener));
    const answer = outputs.find(({ type, id }) => {
      return type === 'function_call_output' && String(id).includes(hexOf(opener.id));
    });
    if (!agent || !answer || opener.state !== 'completed') continue;
    const last = evidence.steps.findLast(
      ({ kind, parentStepId }) => kind === 'model_call' && parentStepId === opener.id,
    );
    const said = (last && agent.byStep.get(publicId(last))?.map(wordsIn).join('')) ?? '';
    if (said !== answer.output) {
      return `the agent of step ${opener.id} said ${clipped(said)}, its call came to ${clipped(answer.output)}`;
    }
  }
  return undefined;
}

/** The response's own items, as its last event has them. */
function outputsIn(frames: readonly Frame[]): Resource[] {
  const last = frames.at(-1);
  if (!last) return [];
  const { response } = JSON.parse(last.text.slice(last.text.indexOf('data: ') + 6)) as { response: Resource };
  return response.output as Resource[];
}

/** The words of an item; what an attempt that died had begun is not among what was said. */
function wordsIn({ type, status, content }: Resource): string {
  if (type !== 'message' || status === 'incomplete') return '';
  return (content as Resource[]).map(({ text, refusal }) => String(text ?? refusal ?? '')).join('');
}

const clipped = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 120);
