/** One model step: the upstream's answer goes into the log as it comes, and its result is told at the end. */
import { randomUUID } from 'node:crypto';
import { type Bus, type LogPosition, type ModelWork, partitionOf, type UpstreamCall } from '@tailrace/bus';
import { isOfLaterMessage, type ModelResult } from '@tailrace/chain';
import { CLOSING_ATTEMPT, Fenced, type LogTarget, LogWriter, readEnd } from '@tailrace/log';
import { ApiError, type ErrorInfo, errorInfo } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import { StepCancelled, StepSuperseded } from '@tailrace/worker';
import { type Answer, type CallPolicy, callModel } from './model-call.ts';
import { obfuscated } from './obfuscation.ts';
import { OutputBuilder } from './output-builder.ts';
import { type Predecessor, readPredecessor } from './predecessor.ts';
import { decodeSeal, encodeSeal, resultOf, type StepEnd } from './seal.ts';
import type { EventGroup } from './slot.ts';
import type { UpstreamTarget } from './upstream.ts';
import { estimateUsage } from './usage-estimate.ts';

/** What a model step came to. */
export interface ModelStepOutcome {
  result: ModelResult | null;
  error: ErrorInfo | null;
  log: LogPosition;
  calls: UpstreamCall[];
}

/** What a step needs of its process. */
export interface ModelStepContext extends CallPolicy {
  bus: Bus;
  partitions: number;
  bufferLimit: number;
  messageLimit: number;
}

/** A step as it was handed out. */
interface Task {
  context: ModelStepContext;
  work: ModelWork;
  target: UpstreamTarget | ApiError;
  /** Each request to the upstream, when it has ended. */
  calls: UpstreamCall[];
  signal: AbortSignal;
}

/**
 * Runs a step to its end. `takeover` says that another attempt may have begun it, and may still be alive. When `signal` is
 * aborted with `StepCancelled` the upstream is left at once, and the outcome tells only of the calls that were made.
 * @throws Fenced when a later attempt has taken over, StepSuperseded when that is one of another message; whatever else
 * aborts `signal`.
 */
export async function runModelStep(
  context: ModelStepContext,
  work: ModelWork,
  target: UpstreamTarget | ApiError,
  options: { attempt: number; takeover: boolean },
  signal: AbortSignal,
): Promise<ModelStepOutcome> {
  const calls: UpstreamCall[] = [];
  try {
    signal.throwIfAborted();
    return await run({ context, work, target, calls, signal }, options);
  } catch (error) {
    const cancelled = signal.reason instanceof StepCancelled;
    const fence = !cancelled && error instanceof Fenced ? await fenceOf(context, work, options.attempt) : null;
    if (fence === 'other message') throw new StepSuperseded(work.stepId);
    if (!cancelled && fence !== 'closed') throw error;
    return { result: null, error: errorInfo('response_cancelled'), log: work.log, calls };
  }
}

/** Who has taken the log away from an attempt: somebody who has closed it to the step, or an attempt at the same step. */
async function fenceOf(
  { bus, partitions }: ModelStepContext,
  { responseId, stepId }: ModelWork,
  attempt: number,
): Promise<'closed' | 'other message' | 'other delivery'> {
  const end = await readEnd({ bus, partition: partitionOf(responseId, partitions), id: responseId });
  if (end === undefined) return 'other delivery';
  const { ended, step } = end.meta;
  if (ended !== null || step?.attempt === CLOSING_ATTEMPT) return 'closed';
  return step?.id === stepId && isOfLaterMessage(step.attempt, attempt) ? 'other message' : 'other delivery';
}

async function run(task: Task, options: { attempt: number; takeover: boolean }): Promise<ModelStepOutcome> {
  const { context, work, signal } = task;
  const { bus, bufferLimit, messageLimit, partitions } = context;
  const target: LogTarget = { bus, partition: partitionOf(work.responseId, partitions), id: work.responseId };
  const step = { id: work.stepId, attempt: options.attempt };
  const writerAt = (from: LogPosition) =>
    new LogWriter({ target, from, writer: randomUUID(), step, bufferLimit, messageLimit, signal });
  // A server that was killed may have forgotten that it has delivered the step before; the log has not.
  if (!options.takeover && (await endsAt(target, work.log))) return answer(task, writerAt(work.log), []);
  for (;;) {
    const before = await readPredecessor(target, work.log, work.stepId, work.outputIndex);
    if (before.seal !== null) return sealedOutcome(before, before.seal);
    if (before.attempt > options.attempt) throw new Fenced(work.responseId);
    const writer = writerAt(before.end);
    try {
      await writer.claim();
    } catch (error) {
      if (error instanceof Fenced) continue;
      throw error;
    }
    return answer(task, writer, before.published);
  }
}

async function endsAt(target: LogTarget, position: LogPosition): Promise<boolean> {
  return ((await readEnd(target))?.streamSeq ?? 0) === position.streamSeq;
}

function sealedOutcome(before: Predecessor, seal: string): ModelStepOutcome {
  const { end, result } = decodeSeal(seal, before.published);
  return { result, error: end.error, log: before.end, calls: [] };
}

async function answer(task: Task, writer: LogWriter, published: Predecessor['published']): Promise<ModelStepOutcome> {
  const { work, calls } = task;
  const builder = new OutputBuilder(work.stepId, work.outputIndex, published);
  const publish = (groups: EventGroup[]) => {
    for (const group of groups) writer.write(work.prompt.obfuscate ? group.map(obfuscated) : group);
  };
  const { finish, usage, serviceTier, error } = await ask(task, writer, builder, publish);
  if (error) publish(builder.abort());
  else publish(builder.finish(finish === 'stop' ? 'completed' : 'incomplete'));
  const items = builder.items();
  // A call that failed before it said anything has cost nothing that anybody could tell.
  const spent = error === null || items.some(({ superseded }) => !superseded);
  const estimate = spent && usage === null ? estimateUsage(work.prompt, items) : null;
  const end: StepEnd = { finish, usage: usage ?? estimate, serviceTier, error: error?.info ?? null };
  crashPoint('before-model-seal');
  const log = await writer.end(encodeSeal(end, items));
  crashPoint('after-model-seal');
  return { result: resultOf(end, items), error: end.error, log, calls };
}

async function ask(
  { context, work, target, calls, signal }: Task,
  writer: LogWriter,
  builder: OutputBuilder,
  publish: (groups: EventGroup[]) => void,
): Promise<Answer> {
  if (target instanceof ApiError) return { finish: 'stop', usage: null, serviceTier: null, error: target };
  const sink = {
    apply: (op: Parameters<OutputBuilder['apply']>[0]) => publish(builder.apply(op)),
    ready: () => writer.ready(),
    restart: () => builder.restart(),
  };
  return callModel({ policy: context, work, target, sink, calls, signal });
}
