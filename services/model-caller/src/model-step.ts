/** One model step: the upstream's answer goes into the log as it comes, and its result is told at the end. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, type Growth, type LogPosition, type ModelWork, partitionOf, type UpstreamCall } from '@tailrace/bus';
import { isOfLaterMessage, type ModelResult, progressEvent } from '@tailrace/chain';
import { CLOSING_ATTEMPT, Fenced, type LogTarget, LogWriter, readEnd, type Seal } from '@tailrace/log';
import { ApiError, type ErrorInfo, errorInfo, type UnnumberedEvent } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import { StepCancelled, StepSuperseded } from '@tailrace/worker';
import { type Answer, type CallPolicy, callModel } from './model-call.ts';
import type { OutputOp } from './model-op.ts';
import { obfuscated } from './obfuscation.ts';
import { OutputBuilder } from './output-builder.ts';
import { type Predecessor, readPredecessor } from './predecessor.ts';
import type { Upstreams } from './routing/upstreams.ts';
import { decodeSeal, encodeSeal, packSeal, resultOf, type StepEnd, unpackSeal } from './seal.ts';
import type { EventGroup } from './slot.ts';
import { estimateUsage } from './usage-estimate.ts';

/** What a model step came to. */
export interface ModelStepOutcome {
  result: ModelResult | null;
  error: ErrorInfo | null;
  log: LogPosition;
  /** How many events the step's attempts have put into the log. */
  events: number;
  calls: UpstreamCall[];
}

/** What a step needs of its process. */
export interface ModelStepContext extends CallPolicy {
  bus: Bus;
  partitions: number;
  bufferLimit: number;
  messageLimit: number;
  /**
   * Whether the outcome of a step is recorded. Resolves when somebody has told, and rejects when `signal` is aborted.
   */
  isRecorded(step: Pick<ModelWork, 'responseId' | 'stepId'>, signal: AbortSignal): Promise<boolean>;
}

/**
 * How often, and after how many milliseconds, a log is claimed again that refuses it and does not move. All of that together
 * is shorter than what makes a step one that is under way: nothing is told of it, and the sweep finds it.
 */
const CLAIMS = { most: 5, firstWaitMs: 20 };

/** A step as it was handed out. */
interface Task {
  /** What its output has grown to: large prompts wait for it. */
  growth: Growth;
  context: ModelStepContext;
  work: ModelWork;
  target: Upstreams | ApiError;
  /** Each request to the upstream, when it has ended. */
  calls: UpstreamCall[];
  signal: AbortSignal;
}

/**
 * Runs a step to its end; when its prompt has been answered, `work` holds the prompt's items no longer. `takeover` says that
 * another attempt may have begun it, and may still be alive. When `signal` is aborted with `StepCancelled` the upstream is
 * left at once, and the outcome tells only of the calls that were made.
 * @throws Fenced when a later attempt has taken over, or the log does not go as far as where the step is to begin;
 * StepSuperseded when the later attempt is one of another message, or the step has been recorded; whatever else aborts `signal`.
 */
export async function runModelStep(
  context: ModelStepContext,
  work: ModelWork,
  target: Upstreams | ApiError,
  options: { attempt: number; takeover: boolean },
  signal: AbortSignal,
): Promise<ModelStepOutcome> {
  const calls: UpstreamCall[] = [];
  const growth = context.bus.room.grow();
  try {
    signal.throwIfAborted();
    return await run({ context, work, target, calls, growth, signal }, options);
  } catch (error) {
    const cancelled = signal.reason instanceof StepCancelled;
    const fence = !cancelled && error instanceof Fenced ? await fenceOf(error, context, work, options.attempt) : null;
    if (fence === 'other message') throw new StepSuperseded(work.stepId);
    if (!cancelled && fence !== 'closed') throw error;
    return { result: null, error: errorInfo('response_cancelled'), log: work.log, events: 0, calls };
  } finally {
    growth.end();
  }
}

/** Who has taken the log away from an attempt: somebody who has closed it to the step, or an attempt at the same step. */
async function fenceOf(
  { by }: Fenced,
  { bus, partitions }: ModelStepContext,
  { responseId, stepId }: ModelWork,
  attempt: number,
): Promise<'closed' | 'other message' | 'other delivery'> {
  const target = { bus, partition: partitionOf(responseId, partitions), id: responseId };
  const meta = by ?? (await readEnd(target))?.meta;
  if (meta === undefined) return 'other delivery';
  if (meta.ended !== null) return 'closed';
  if (meta.step?.id !== stepId) return 'other delivery';
  if (meta.step.attempt === CLOSING_ATTEMPT) return 'closed';
  return isOfLaterMessage(meta.step.attempt, attempt) ? 'other message' : 'other delivery';
}

async function run(task: Task, options: { attempt: number; takeover: boolean }): Promise<ModelStepOutcome> {
  const { context, work, signal } = task;
  const { bus, bufferLimit, messageLimit, partitions } = context;
  const target: LogTarget = { bus, partition: partitionOf(work.responseId, partitions), id: work.responseId };
  const step = { id: work.stepId, attempt: options.attempt };
  // Agents run side by side, and other tools beside them.
  const shared = work.agent !== null;
  const writerAt = (from: LogPosition) =>
    new LogWriter({ target, from, writer: randomUUID(), step, bufferLimit, messageLimit, shared, signal });
  // A server that was killed may have forgotten that it has delivered the step before; the log has not.
  if (!options.takeover && (await endsAt(target, work.log))) {
    return answer(task, writerAt(work.log), { published: [], events: 0 });
  }
  let claimedAt = -1;
  for (let tries = 1; ; tries += 1) {
    const before = await readPredecessor(target, work.log, work.stepId, { firstIndex: work.outputIndex, shared });
    if (before.seal !== null) return sealedOutcome(bus, before, before.seal);
    if ((before.latest?.step?.attempt ?? 0) > options.attempt) throw new Fenced(work.responseId, before.latest);
    // A server that has lost what came last may hand out what is recorded, and a log that does not say so.
    if (claimedAt === -1 && (await context.isRecorded(work, signal))) throw new StepSuperseded(work.stepId);
    const writer = writerAt(before.end);
    if (await claims(writer)) return answer(task, writer, before);
    // Another attempt goes on writing, or the log ends before the place that is claimed: it was lost behind that.
    if (before.end.streamSeq !== claimedAt) tries = 1;
    if (tries === CLAIMS.most) throw new Fenced(work.responseId);
    claimedAt = before.end.streamSeq;
    await sleep(CLAIMS.firstWaitMs * 2 ** (tries - 1), undefined, { signal });
  }
}

/** Whether a writer has got the log; not when it does not end where the writer was to begin. */
async function claims(writer: LogWriter): Promise<boolean> {
  try {
    await writer.claim();
    return true;
  } catch (error) {
    if (!(error instanceof Fenced)) throw error;
    return false;
  }
}

async function endsAt(target: LogTarget, position: LogPosition): Promise<boolean> {
  return ((await readEnd(target))?.streamSeq ?? 0) === position.streamSeq;
}

async function sealedOutcome(bus: Bus, before: Predecessor, seal: Seal): Promise<ModelStepOutcome> {
  const { end, result } = decodeSeal(await unpackSeal(bus, seal), before.published);
  return { result, error: end.error, log: before.end, events: before.events, calls: [] };
}

async function answer(
  task: Task,
  writer: LogWriter,
  before: Pick<Predecessor, 'published' | 'events'>,
): Promise<ModelStepOutcome> {
  const { context, work, calls } = task;
  const builder = new OutputBuilder(work.stepId, work.outputIndex, before.published, work.heldBack);
  const publish = (groups: EventGroup[]) => {
    for (const group of groups) writer.write(shownTo(work, group));
  };
  const { finish, usage, serviceTier, error } = await ask(task, writer, builder, publish);
  if (error) publish(builder.abort());
  else publish(builder.finish(finish === 'stop' ? 'completed' : 'incomplete'));
  const items = builder.items();
  // A call that failed before it said anything has cost nothing that anybody could tell.
  const spent = error === null || items.some(({ superseded }) => !superseded);
  const estimate = spent && usage === null ? estimateUsage(work.prompt, items) : null;
  // They may be megabytes, and whoever has handed out the work holds it until its outcome is stored.
  work.prompt.items = [];
  const end: StepEnd = { finish, usage: usage ?? estimate, serviceTier, error: error?.info ?? null };
  const seal = await packSeal(context.bus, encodeSeal(end, items, { hidden: work.agent?.shown === false }));
  crashPoint('before-model-seal');
  const log = await writer.end(seal);
  crashPoint('after-model-seal');
  return { result: resultOf(end, items), error: end.error, log, events: before.events + writer.written, calls };
}

/** What clients are told of events: inside an agent as its progress, where they have asked for it, and else nothing. */
function shownTo({ agent, stepId, prompt }: ModelWork, group: EventGroup): UnnumberedEvent[] {
  if (agent?.shown === false) return [];
  const events = prompt.obfuscate ? group.map(obfuscated) : group;
  return agent === null ? events : events.map((event) => progressEvent(event, stepId, agent));
}

async function ask(
  { context, work, target, calls, growth, signal }: Task,
  writer: LogWriter,
  builder: OutputBuilder,
  publish: (groups: EventGroup[]) => void,
): Promise<Answer> {
  if (target instanceof ApiError) return { finish: 'stop', usage: null, serviceTier: null, error: target };
  const sink = {
    apply: (op: OutputOp) => {
      if ('text' in op) growth.add(op.text.length);
      publish(builder.apply(op));
    },
    ready: () => writer.ready(),
    restart: () => builder.restart(),
  };
  return callModel({ policy: context, work, upstreams: target, sink, calls, signal });
}
