/** A client's own call of a model: passed on to an upstream, and its answer to the gateway that waits. */
import type { RelayFailure, RelayWork, UpstreamCall } from '@tailrace/bus';
import { ApiError, type Usage } from '@tailrace/protocol';
import type { Announce } from '@tailrace/worker';
import { CallClock } from '../call-clock.ts';
import { CallMeasure } from '../call-measure.ts';
import { route } from '../routing/route.ts';
import type { Router } from '../routing/router.ts';
import type { RetryPolicy } from '../routing/tries.ts';
import type { Candidate, Upstreams } from '../routing/upstreams.ts';
import type { UpstreamClient } from '../upstream.ts';
import { type Refusal, UpstreamFailure } from '../upstream-failure.ts';
import { RelayAnswer } from './relay-answer.ts';
import { type RelayBody, relayBody } from './relay-body.ts';
import { ClientGone, type RelayLine } from './relay-line.ts';

/** How calls are passed on. */
export interface RelayPolicy extends RetryPolicy {
  upstream: UpstreamClient;
  router: Router;
  announce: Announce;
}

/** What a call came to. */
export interface RelayOutcome {
  /** All tokens of what the client got, estimated where the upstream has not told. */
  tokens: number;
  calls: UpstreamCall[];
}

/** Where requests go, under an upstream's root. */
const PATHS: Record<RelayWork['endpoint'], string> = {
  'chat.completions': 'chat/completions',
  embeddings: 'embeddings',
};

/** What upstreams refuse with these is wrong with the request, and its client's to read. */
const CLIENT_STATUS = new Set([400, 413, 415, 422]);

/**
 * Passes a call on. Upstreams are changed, and asked again, as long as nothing of an answer has left. Every end is told on
 * the line.
 * @throws what aborts `signal`, while nothing has left: another worker may do it then.
 */
export async function runRelay(
  policy: RelayPolicy,
  work: RelayWork,
  upstreams: Upstreams | ApiError,
  line: RelayLine,
  signal: AbortSignal,
): Promise<RelayOutcome> {
  const run = new RelayRun(policy, work, line, signal);
  try {
    const able = upstreams instanceof ApiError ? upstreams : speakingChat(upstreams, work.endpoint);
    if (able instanceof ApiError) throw able;
    await run.route(able);
    line.end();
  } catch (error) {
    if (error instanceof ClientGone || line.signal.aborted) return run.outcome;
    if (error instanceof UpstreamFailure) line.fail(failureOf(error));
    else if (error instanceof ApiError) line.fail({ error: error.info, retryAfter: error.retryAfter, refusal: null });
    else if (line.begun) line.fail({ error: new ApiError('internal_error').info, retryAfter: null, refusal: null });
    else throw error;
  }
  // A result with tokens frees the call's place; this one has none, and the gateway may have died unnoticed.
  if (work.leased && run.outcome.tokens === 0) line.release();
  return run.outcome;
}

/** Only these can be asked as the client asks. */
function speakingChat(upstreams: Upstreams, endpoint: string): Upstreams | ApiError {
  const candidates = upstreams.candidates.filter(({ target }) => target.dialect.relays);
  if (candidates.length > 0) return { ...upstreams, candidates };
  return new ApiError('endpoint_not_served', { model: upstreams.model, endpoint: `/v1/${endpoint.replace('.', '/')}` });
}

class RelayRun {
  readonly #policy: RelayPolicy;
  readonly #work: RelayWork;
  readonly #line: RelayLine;
  readonly #signal: AbortSignal;
  readonly #body: RelayBody;
  readonly #calls: UpstreamCall[] = [];
  #tokens = 0;

  constructor(policy: RelayPolicy, work: RelayWork, line: RelayLine, signal: AbortSignal) {
    this.#policy = policy;
    this.#work = work;
    this.#line = line;
    this.#signal = AbortSignal.any([signal, line.signal]);
    this.#body = relayBody(work);
  }

  get outcome(): RelayOutcome {
    return { tokens: this.#tokens, calls: this.#calls };
  }

  route(upstreams: Upstreams): Promise<void> {
    const { router } = this.#policy;
    const call = {
      router,
      upstreams,
      policy: this.#policy,
      signal: this.#signal,
      // What has left cannot be said again: not even the same upstream is asked.
      told: () => (this.#line.begun ? ('over' as const) : ('no' as const)),
      again: () => undefined,
    };
    return route(call, (candidate) => this.#ask(candidate));
  }

  async #ask(candidate: Candidate): Promise<void> {
    const { upstream, announce } = this.#policy;
    const { model, endpoint, correlationId } = this.#work;
    const { target, timeouts } = candidate;
    const measure = await CallMeasure.begin({ model, candidate, endpoint }, announce);
    const clock = new CallClock(timeouts, this.#signal);
    const answer = new RelayAnswer(this.#body, this.#line, () => {
      measure.token();
      clock.firstToken();
    });
    const asked = {
      path: PATHS[endpoint],
      body: this.#body.body,
      headers: { 'x-correlation-id': correlationId, 'x-client-request-id': measure.mark.id },
      accept: this.#body.streams ? 'text/event-stream' : 'application/json',
      connectMs: timeouts.connectMs,
    };
    let errorCode: string | null = null;
    try {
      const pieces = upstream.call(
        target,
        asked,
        clock,
        (status) => measure.head(status),
        (got) => answer.read(got),
      );
      for await (const piece of pieces) await this.#line.send(piece);
    } catch (error) {
      errorCode = codeOf(error, this.#line.signal);
      throw error;
    } finally {
      clock.close();
      this.#tokens = this.#line.begun ? tokensOf(answer, this.#body) : 0;
      this.#calls.push(measure.end(errorCode, answer.usage));
    }
  }
}

/** Four characters are about one token. */
const CHARS_PER_TOKEN = 4;

function tokensOf({ usage, chars }: { usage: Usage | null; chars: number }, { body }: RelayBody): number {
  return usage?.total_tokens ?? Math.ceil((JSON.stringify(body).length + chars) / CHARS_PER_TOKEN);
}

function codeOf(error: unknown, client: AbortSignal): string {
  if (error instanceof UpstreamFailure) return error.error.code;
  return client.aborted ? 'client_gone' : 'internal_error';
}

function failureOf({ error, retryAfterMs, refusal }: UpstreamFailure): RelayFailure {
  const retryAfter = retryAfterMs === null ? error.retryAfter : Math.ceil(retryAfterMs / 1_000);
  return { error: error.info, retryAfter, refusal: refusal !== null && isForClient(refusal) ? refusal : null };
}

function isForClient({ status }: Refusal): boolean {
  return CLIENT_STATUS.has(status);
}
