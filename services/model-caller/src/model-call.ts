/** The call of a model: its upstreams are asked until one answers, and each call is measured. */
import type { ModelWork, UpstreamCall } from '@tailrace/bus';
import type { FinishReason } from '@tailrace/chain';
import { ApiError, type Usage } from '@tailrace/protocol';
import { type Announce, StepCancelled } from '@tailrace/worker';
import { AnswerReader } from './answer-reader.ts';
import { CallClock } from './call-clock.ts';
import { CallMeasure } from './call-measure.ts';
import { chunksOf } from './event-stream.ts';
import type { ModelOp, OutputOp } from './model-op.ts';
import { route } from './routing/route.ts';
import type { Router } from './routing/router.ts';
import type { RetryPolicy } from './routing/tries.ts';
import type { Candidate, Upstreams } from './routing/upstreams.ts';
import type { UpstreamAnswer, UpstreamClient } from './upstream.ts';
import { UpstreamFailure } from './upstream-failure.ts';

/** How models are called. */
export interface CallPolicy extends RetryPolicy {
  upstream: UpstreamClient;
  router: Router;
  /** Says of each call that it is made now. */
  announce: Announce;
  /** The encrypted form of reasoning for upstreams that have none. */
  seal(reasoning: string): string;
}

/** Where an answer goes. */
export interface AnswerSink {
  apply(op: OutputOp): void;
  /** Resolves when more can be taken. */
  ready(): Promise<void>;
  /** An upstream is asked again: what comes now is the answer from its beginning. */
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
  upstreams: Upstreams;
  sink: AnswerSink;
  /** Each request to an upstream is added here, when it has ended. */
  calls: UpstreamCall[];
  signal: AbortSignal;
}

/**
 * Asks until there is an answer, or no use in asking: another upstream as long as no output has come, then only the one that
 * it has come from. Throws only what is not an upstream's doing.
 */
export async function callModel(call: Call): Promise<Answer> {
  const { policy, upstreams, sink, signal } = call;
  let told = false;
  let answer = blank();
  const tell = (op: OutputOp) => {
    told = true;
    sink.apply(op);
  };
  try {
    await route(
      {
        router: policy.router,
        upstreams,
        policy,
        signal,
        told: () => (told ? 'same' : 'no'),
        again: () => sink.restart(),
      },
      (candidate) => {
        answer = blank();
        return ask(call, candidate, answer, tell);
      },
    );
    return answer;
  } catch (error) {
    if (error instanceof UpstreamFailure) return { ...answer, finish: 'stop', error: error.error };
    if (error instanceof ApiError) return { ...answer, finish: 'stop', error };
    throw error;
  }
}

function blank(): Answer {
  return { finish: 'stop', usage: null, serviceTier: null, error: null };
}

async function ask(
  { policy, work, sink, calls, signal }: Call,
  candidate: Candidate,
  answer: Answer,
  tell: (op: OutputOp) => void,
): Promise<void> {
  const { target, timeouts } = candidate;
  const { dialect } = target;
  const body = dialect.body(work.prompt);
  const reader = new AnswerReader(dialect, work.prompt, policy.seal);
  const measured = { model: work.model, candidate, endpoint: 'responses' as const };
  const measure = await CallMeasure.begin(measured, policy.announce);
  const clock = new CallClock(timeouts, signal);
  let whole = false;
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
        measure.token();
        clock.firstToken();
        tell(op);
    }
  };
  const read = async function* ({ isJson, body: pieces }: UpstreamAnswer): AsyncGenerator<unknown> {
    if (isJson) {
      yield JSON.parse(await textOf(pieces));
      whole = true;
      return;
    }
    yield* chunksOf(pieces, dialect.isLast, () => {
      whole ||= dialect.endsWithDone;
    });
  };
  const asked = {
    path: dialect.path,
    body,
    headers: { 'x-correlation-id': work.correlationId, 'x-client-request-id': measure.mark.id },
    accept: 'text/event-stream',
    connectMs: timeouts.connectMs,
  };
  let errorCode: string | null = null;
  try {
    for await (const chunk of policy.upstream.call(target, asked, clock, (status) => measure.head(status), read)) {
      for (const op of reader.read(chunk)) take(op);
      await sink.ready();
    }
    if (!whole) {
      const reason = 'the stream ended before the answer did';
      throw new UpstreamFailure(new ApiError('upstream_cut', { reason }), { retryable: true });
    }
    for (const op of reader.end()) take(op);
  } catch (error) {
    errorCode = codeOf(error, signal);
    throw error;
  } finally {
    clock.close();
    calls.push(measure.end(errorCode, answer.usage));
  }
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString();
}

function codeOf(error: unknown, signal: AbortSignal): string {
  if (error instanceof UpstreamFailure) return error.error.code;
  return signal.reason instanceof StepCancelled ? 'response_cancelled' : 'internal_error';
}
