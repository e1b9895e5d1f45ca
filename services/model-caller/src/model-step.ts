/** One model step: the upstream's answer goes into the log as it comes, and its result is told at the end. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, type LogPosition, type ModelWork, partitionOf, type UpstreamCall } from '@tailrace/bus';
import type { FinishReason, ModelResult } from '@tailrace/chain';
import { Fenced, type LogTarget, LogWriter } from '@tailrace/log';
import { ApiError, type ErrorInfo, type Usage } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import { ChatTranslator } from './chat-stream.ts';
import { OutputBuilder } from './output-builder.ts';
import { type Predecessor, readPredecessor } from './predecessor.ts';
import { decodeSeal, encodeSeal, type StepEnd } from './seal.ts';
import { type CallWatch, type UpstreamClient, UpstreamFailure, type UpstreamTarget } from './upstream.ts';

/** What a model step came to. */
export interface ModelStepOutcome {
  result: ModelResult | null;
  error: ErrorInfo | null;
  log: LogPosition;
  calls: UpstreamCall[];
}

/** What a step needs of its process. */
export interface ModelStepContext {
  bus: Bus;
  upstream: UpstreamClient;
  partitions: number;
  /** How often the upstream is asked, with retries, before the step fails. */
  attempts: number;
  /** Milliseconds before the first retry; doubled each time. */
  backoffMs: number;
  /** The longest wait that an upstream's `Retry-After` is obeyed for, in milliseconds. */
  maxBackoffMs: number;
  bufferLimit: number;
  messageLimit: number;
}

/**
 * Runs a step to its end. `takeover` says that another attempt may have begun it, and may still be alive.
 * @throws Fenced when a later attempt has taken over; whatever aborts `signal`.
 */
export async function runModelStep(
  context: ModelStepContext,
  work: ModelWork,
  target: UpstreamTarget | ApiError,
  options: { attempt: number; takeover: boolean },
  signal: AbortSignal,
): Promise<ModelStepOutcome> {
  const log: LogTarget = {
    bus: context.bus,
    partition: partitionOf(work.responseId, context.partitions),
    id: work.responseId,
  };
  const writerAt = (from: LogPosition) =>
    new LogWriter({
      target: log,
      from,
      writer: randomUUID(),
      step: { id: work.stepId, attempt: options.attempt },
      bufferLimit: context.bufferLimit,
      messageLimit: context.messageLimit,
      signal,
    });
  if (!options.takeover) return answer(context, work, target, writerAt(work.log), [], signal);
  for (;;) {
    const before = await readPredecessor(log, work.log, work.stepId, work.outputIndex);
    if (before.seal !== null) return sealedOutcome(before, before.seal);
    if (before.attempt > options.attempt) throw new Fenced(work.responseId);
    const writer = writerAt(before.end);
    try {
      await writer.claim();
    } catch (error) {
      if (error instanceof Fenced) continue;
      throw error;
    }
    return answer(context, work, target, writer, before.published, signal);
  }
}

function sealedOutcome(before: Predecessor, seal: string): ModelStepOutcome {
  const { end, result } = decodeSeal(seal, before.published);
  return { result, error: end.error, log: before.end, calls: [] };
}

async function answer(
  context: ModelStepContext,
  work: ModelWork,
  target: UpstreamTarget | ApiError,
  writer: LogWriter,
  published: Predecessor['published'],
  signal: AbortSignal,
): Promise<ModelStepOutcome> {
  const builder = new OutputBuilder(work.stepId, work.outputIndex, published);
  const calls: UpstreamCall[] = [];
  let end: StepEnd;
  try {
    if (target instanceof ApiError) throw new UpstreamFailure(target, { retryable: false });
    const { finish, usage } = await askUntilAnswered(context, work, target, writer, builder, calls, signal);
    for (const group of builder.finish(finish === 'stop' ? 'completed' : 'incomplete')) writer.write(group);
    end = { finish, usage, error: null };
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    for (const group of builder.abort()) writer.write(group);
    end = { finish: 'stop', usage: null, error: error.error.info };
  }
  const items = builder.items();
  crashPoint('before-model-seal');
  const log = await writer.end(encodeSeal(end, items));
  crashPoint('after-model-seal');
  return { result: { items, finish: end.finish, usage: end.usage }, error: end.error, log, calls };
}

interface Answer {
  finish: FinishReason;
  usage: Usage | null;
}

async function askUntilAnswered(
  context: ModelStepContext,
  work: ModelWork,
  target: UpstreamTarget,
  writer: LogWriter,
  builder: OutputBuilder,
  calls: UpstreamCall[],
  signal: AbortSignal,
): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask(context.upstream, work, target, writer, builder, calls, signal);
    } catch (error) {
      if (!(error instanceof UpstreamFailure) || !error.retryable || tries >= context.attempts) throw error;
      const backoff = context.backoffMs * 2 ** (tries - 1) * (0.5 + Math.random() / 2);
      if ((error.retryAfterMs ?? 0) > context.maxBackoffMs) throw error;
      await sleep(Math.min(context.maxBackoffMs, Math.max(error.retryAfterMs ?? 0, backoff)), undefined, { signal });
      builder.restart();
    }
  }
}

async function ask(
  upstream: UpstreamClient,
  work: ModelWork,
  target: UpstreamTarget,
  writer: LogWriter,
  builder: OutputBuilder,
  calls: UpstreamCall[],
  signal: AbortSignal,
): Promise<Answer> {
  const startedAt = performance.now();
  const measure: UpstreamCall = {
    model: work.model,
    upstream: new URL(target.baseUrl).origin,
    status: null,
    ttfbMs: null,
    durationMs: 0,
    errorCode: null,
    inputTokens: null,
    cachedTokens: null,
    outputTokens: null,
    reasoningTokens: null,
  };
  const answered: Answer = { finish: 'stop', usage: null };
  const translator = new ChatTranslator();
  let whole = false;
  const watch: CallWatch = {
    head(status) {
      measure.status = status;
      measure.ttfbMs = Math.round(performance.now() - startedAt);
    },
    done() {
      whole = true;
    },
  };
  const headers = { 'x-correlation-id': work.correlationId };
  try {
    for await (const chunk of upstream.call(target, work.chat, headers, signal, watch)) {
      for (const op of translate(translator, chunk)) {
        if (op.type === 'finish') {
          answered.finish = op.reason;
          whole = true;
        } else if (op.type === 'usage') answered.usage = op.usage;
        else for (const group of builder.apply(op)) writer.write(group);
      }
      await writer.ready();
    }
    if (!whole) {
      const reason = 'the stream ended before the answer did';
      throw new UpstreamFailure(new ApiError('upstream_cut', { reason }), { retryable: true });
    }
    return answered;
  } catch (error) {
    measure.errorCode = error instanceof UpstreamFailure ? error.error.code : 'internal_error';
    throw error;
  } finally {
    measure.durationMs = Math.round(performance.now() - startedAt);
    measure.inputTokens = answered.usage?.input_tokens ?? null;
    measure.cachedTokens = answered.usage?.input_tokens_details.cached_tokens ?? null;
    measure.outputTokens = answered.usage?.output_tokens ?? null;
    measure.reasoningTokens = answered.usage?.output_tokens_details.reasoning_tokens ?? null;
    calls.push(measure);
  }
}

/** An answer that makes no sense is a failed call like any other. */
function translate(translator: ChatTranslator, chunk: unknown): ReturnType<ChatTranslator['translate']> {
  try {
    return translator.translate(chunk);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new UpstreamFailure(error, { status: 200, retryable: true });
  }
}
