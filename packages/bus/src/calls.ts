/** The HTTP calls of workers: what is noted before one is made, and what is measured. */
import type { ResponseId, StepId } from '@tailrace/protocol';
import type { RelayEndpoint } from './relay-work.ts';

/** What a call is known by from before it is made. */
export interface CallMark {
  /** UUIDv7. Its row has it, and the one who is called gets it as `X-Client-Request-Id`. */
  id: string;
  /** Milliseconds since the epoch, by the worker's clock. */
  startedAt: number;
}

/** Whom a call goes to. */
export type CallTarget =
  | {
      kind: 'model';
      model: string;
      upstream: string;
      upstreamModel: string;
      endpoint: 'responses' | RelayEndpoint;
    }
  | { kind: 'tool'; tool: string };

/** `tr.calls.*`: a worker is about to make a call, and may not live to tell what became of it. */
export interface CallNote extends CallMark {
  responseId: ResponseId;
  /** Null for a call that is passed on as it is. */
  stepId: StepId | null;
  attempt: number;
  /** Its place among the calls of the attempt, from 1. */
  call: number;
  target: CallTarget;
  /** Whose call it is, where no response tells. */
  by: { owner: string; keyName: string } | null;
}

/** One upstream HTTP call, as the worker measured it. Times are in milliseconds. */
export interface UpstreamCall {
  /** Left out when nobody was told before the call was made. */
  mark?: CallMark;
  model: string;
  upstream: string;
  /** The upstream's own name of the model. */
  upstreamModel?: string;
  status: number | null;
  ttfbMs: number | null;
  durationMs: number;
  errorCode: string | null;
  inputTokens: number | null;
  cachedTokens: number | null;
  outputTokens: number | null;
  reasoningTokens: number | null;
  /** Milliseconds from the request to the first token of output. */
  firstTokenMs: number | null;
  /** By the upstream's price at that moment; null when it has none, or no tokens were told. */
  cost: number | null;
}

/** One HTTP call of a tool, as the worker measured it. */
export interface ToolCallMeasure {
  /** As in {@link UpstreamCall}. */
  mark?: CallMark;
  tool: string;
  status: number | null;
  durationMs: number;
  errorCode: string | null;
}
