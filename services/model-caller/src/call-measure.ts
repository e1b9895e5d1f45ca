/** One HTTP call of an upstream, measured while it runs. */
import type { CallMark, CallTarget, UpstreamCall } from '@tailrace/bus';
import type { Usage } from '@tailrace/protocol';
import type { Announce } from '@tailrace/worker';
import { costOf } from './routing/price.ts';
import type { Candidate } from './routing/upstreams.ts';

/** What of a call is known before it is made. */
export interface MeasuredCall {
  /** The name that clients know. */
  model: string;
  candidate: Candidate;
  endpoint: Extract<CallTarget, { kind: 'model' }>['endpoint'];
}

/** See the file's head. */
export class CallMeasure {
  readonly mark: CallMark;
  readonly #model: string;
  readonly #candidate: Candidate;
  readonly #startedAt = performance.now();
  #status: number | null = null;
  #ttfbMs: number | null = null;
  #firstTokenMs: number | null = null;

  /** Announces the call, which has to be made right away: its time runs from here. */
  static async begin(call: MeasuredCall, announce: Announce): Promise<CallMeasure> {
    const { model, candidate, endpoint } = call;
    const { target } = candidate;
    const upstream = originOf(candidate);
    return new CallMeasure(
      call,
      await announce({ kind: 'model', model, upstream, upstreamModel: target.model, endpoint }),
    );
  }

  private constructor({ model, candidate }: MeasuredCall, mark: CallMark) {
    this.mark = mark;
    this.#model = model;
    this.#candidate = candidate;
  }

  /** The response's status has come. */
  head(status: number): void {
    this.#status = status;
    this.#ttfbMs = this.#elapsed();
  }

  /** Output has come; only the first counts. */
  token(): void {
    this.#firstTokenMs ??= this.#elapsed();
  }

  /** The call is over. `errorCode` is null when it went well. */
  end(errorCode: string | null, usage: Usage | null): UpstreamCall {
    const { target, price } = this.#candidate;
    return {
      mark: this.mark,
      model: this.#model,
      upstream: originOf(this.#candidate),
      upstreamModel: target.model,
      status: this.#status,
      ttfbMs: this.#ttfbMs,
      durationMs: this.#elapsed(),
      errorCode,
      inputTokens: usage?.input_tokens ?? null,
      cachedTokens: usage?.input_tokens_details.cached_tokens ?? null,
      outputTokens: usage?.output_tokens ?? null,
      reasoningTokens: usage?.output_tokens_details.reasoning_tokens ?? null,
      firstTokenMs: this.#firstTokenMs,
      cost: costOf(price, usage),
    };
  }

  #elapsed(): number {
    return Math.round(performance.now() - this.#startedAt);
  }
}

function originOf({ target }: Candidate): string {
  return new URL(target.baseUrl).origin;
}
