/** The call of a model: asked until it answers, and measured. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModelWork, UpstreamCall } from '@tailrace/bus';
import type { FinishReason } from '@tailrace/chain';
import { ApiError, type Usage } from '@tailrace/protocol';
import { StepCancelled } from '@tailrace/worker';
import { AnswerReader } from './answer-reader.ts';
import type { ModelOp, OutputOp } from './model-op.ts';
import type { CallWatch, UpstreamClient, UpstreamTarget } from './upstream.ts';
import { UpstreamFailure } from './upstream-failure.ts';

/** How models are called. */
export interface CallPolicy {
  upstream: UpstreamClient;
  /** How often the upstream is asked, with retries, before the step fails. */
  attempts: number;
  /** Milliseconds before the first retry; doubled each time. */
  backoffMs: number;
  /** The longest wait that an upstream's `Retry-After` is obeyed for, in milliseconds. */
  maxBackoffMs: number;
  /** The encrypted form of reasoning for upstreams that have none. */
  seal(reasoning: string): string;
}

/** Where an answer goes. */
export interface AnswerSink {
  apply(op: OutputOp): void;
  /** Resolves when more can be taken. */
  ready(): Promise<void>;
  /** The upstream is asked again: what comes now is the answer from its beginning. */
  restart(): void;
}

/** What an answer came to beside its output. What the upstream has not told is null. */
export interface Answer {
  finish: FinishReason;
  usage: Usage | null;
  serviceTier: string | null;
  /** Null when the answer is whole. */
  error: ApiError | null;
}

/** One model step's share of a call. */
interface Call {
  policy: CallPolicy;
  work: ModelWork;
  target: UpstreamTarget;
  sink: AnswerSink;
  /** Each request to the upstream is added here, when it has ended. */
  calls: UpstreamCall[];
  signal: AbortSignal;
}

/** Asks until there is an answer, or no use in asking. Throws only what is not the upstream's doing. */
export async function callModel(call: Call): Promise<Answer> {
  const { policy, sink, signal } = call;
  for (let tries = 1; ; tries += 1) {
    const answer: Answer = { finish: 'stop', usage: null, serviceTier: null, error: null };
    try {
      await ask(call, answer);
      return answer;
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      const backoff = policy.backoffMs * 2 ** (tries - 1) * (0.5 + Math.random() / 2);
      const wait = Math.max(error.retryAfterMs ?? 0, Math.min(policy.maxBackoffMs, backoff));
      if (!error.retryable || tries >= policy.attempts || wait > policy.maxBackoffMs) {
        return { ...answer, finish: 'stop', error: error.error };
      }
      await sleep(wait, undefined, { signal });
      sink.restart();
    }
  }
}

async function ask({ policy, work, target, sink, calls, signal }: Call, answer: Answer): Promise<void> {
  const startedAt = performance.now();
  const measure = unmeasured(work, target);
  const reader = new AnswerReader(target.dialect, work.prompt, policy.seal);
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
  const take = (op: ModelOp) => {
    switch (op.type) {
      case 'finish':
        answer.finish = op.reason;
        whole = true;
        return;
      case 'usage':
        answer.usage = op.usage;
        return;
      case 'service_tier':
        answer.serviceTier = op.tier;
        return;
      default:
        sink.apply(op);
    }
  };
  const headers = { 'x-correlation-id': work.correlationId };
  try {
    for await (const chunk of policy.upstream.call(target, work.prompt, headers, signal, watch)) {
      for (const op of reader.read(chunk)) take(op);
      await sink.ready();
    }
    if (!whole) {
      const reason = 'the stream ended before the answer did';
      throw new UpstreamFailure(new ApiError('upstream_cut', { reason }), { retryable: true });
    }
    for (const op of reader.end()) take(op);
  } catch (error) {
    measure.errorCode = codeOf(error, signal);
    throw error;
  } finally {
    const { usage } = answer;
    measure.durationMs = Math.round(performance.now() - startedAt);
    measure.inputTokens = usage?.input_tokens ?? null;
    measure.cachedTokens = usage?.input_tokens_details.cached_tokens ?? null;
    measure.outputTokens = usage?.output_tokens ?? null;
    measure.reasoningTokens = usage?.output_tokens_details.reasoning_tokens ?? null;
    calls.push(measure);
  }
}

function codeOf(error: unknown, signal: AbortSignal): string {
  if (error instanceof UpstreamFailure) return error.error.code;
  return signal.reason instanceof StepCancelled ? 'response_cancelled' : 'internal_error';
}

function unmeasured({ model }: ModelWork, { baseUrl }: UpstreamTarget): UpstreamCall {
  return {
    model,
    upstream: new URL(baseUrl).origin,
    status: null,
    ttfbMs: null,
    durationMs: 0,
    errorCode: null,
    inputTokens: null,
    cachedTokens: null,
    outputTokens: null,
    reasoningTokens: null,
  };
}
