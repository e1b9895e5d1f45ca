/** A tool that is an HTTP endpoint: the model's arguments are POSTed as JSON, the body that comes back is the output. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ToolCallMeasure, ToolWork } from '@tailrace/bus';
import type { ToolResult } from '@tailrace/chain';
import { ApiError, type ErrorInfo } from '@tailrace/protocol';
import { Agent, errors, request } from 'undici';

/** Where a tool is, and how long it may take. */
export interface HttpTool {
  url: string;
  headers: Record<string, string>;
  /** Milliseconds for the whole call. */
  timeoutMs: number;
  /** Whether a call may be repeated when it is not known whether it took effect. */
  idempotent: boolean;
}

/** What a call came to. A failed call is the model's to read. */
export interface ToolOutcome {
  outcome: { result: ToolResult } | { error: ErrorInfo };
  calls: ToolCallMeasure[];
}

/** Bounds of all calls of a process. */
export interface HttpToolLimits {
  connectMs: number;
  maxOutputBytes: number;
  connections: number;
  /** How often a tool that may be called again is, before its call fails. */
  attempts: number;
  /** Milliseconds before the second call; doubled each time. */
  backoffMs: number;
}

/** What may be different another time. */
const RETRYABLE_STATUS = new Set([429, 502, 503, 504]);

const ERROR_BODY_CHARS = 2_000;

/** The connections to all tools of a process. */
export class HttpToolClient {
  readonly #limits: HttpToolLimits;
  readonly #agent: Agent;

  constructor(limits: HttpToolLimits) {
    this.#limits = limits;
    this.#agent = new Agent({
      connections: limits.connections,
      connect: { timeout: limits.connectMs },
      maxResponseSize: limits.maxOutputBytes,
      // The deadline of each call is the tool's own.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /**
   * Makes the call, and makes it again if that is safe and may help. Each has the step's `Idempotency-Key`. Rejects only
   * when `signal` is aborted.
   */
  async call(work: ToolWork, tool: HttpTool | ApiError, signal: AbortSignal): Promise<ToolOutcome> {
    const calls: ToolCallMeasure[] = [];
    const attempts = tool instanceof ApiError || !tool.idempotent ? 1 : this.#limits.attempts;
    for (let wait = this.#limits.backoffMs; ; wait *= 2) {
      const { outcome, measure } = await this.#once(work, tool, signal);
      calls.push(measure);
      if ('result' in outcome || calls.length >= attempts || !mayHelp(measure, outcome.error))
        return { outcome, calls };
      await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }

  async #once(
    work: ToolWork,
    tool: HttpTool | ApiError,
    signal: AbortSignal,
  ): Promise<Pick<ToolOutcome, 'outcome'> & { measure: ToolCallMeasure }> {
    const measure: ToolCallMeasure = { tool: work.tool, status: null, durationMs: 0, errorCode: null };
    const startedAt = performance.now();
    try {
      if (tool instanceof ApiError) throw tool;
      const output = await this.#post(work, tool, measure, signal);
      return { outcome: { result: { output } }, measure };
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = this.#toApiError(error, tool);
      measure.errorCode = failure.code;
      return { outcome: { error: failure.info }, measure };
    } finally {
      measure.durationMs = Math.round(performance.now() - startedAt);
    }
  }

  async #post(work: ToolWork, tool: HttpTool, measure: ToolCallMeasure, signal: AbortSignal): Promise<string> {
    const body = checkedArguments(work.arguments);
    const response = await request(tool.url, {
      method: 'POST',
      dispatcher: this.#agent,
      signal: AbortSignal.any([signal, AbortSignal.timeout(tool.timeoutMs)]),
      headers: {
        accept: 'application/json, text/*;q=0.9',
        ...tool.headers,
        'content-type': 'application/json',
        'idempotency-key': work.stepId,
        traceparent: `00-${work.correlationId}-${randomBytes(8).toString('hex')}-01`,
      },
      body,
    });
    measure.status = response.statusCode;
    const text = await response.body.text();
    if (response.statusCode < 200 || response.statusCode > 299) {
      throw new ApiError('tool_http_error', { status: response.statusCode, body: text.slice(0, ERROR_BODY_CHARS) });
    }
    return text;
  }

  #toApiError(error: unknown, tool: HttpTool | ApiError): ApiError {
    if (error instanceof ApiError) return error;
    if (error instanceof errors.ResponseExceededMaxSizeError) {
      return new ApiError('tool_output_too_large', { limit: this.#limits.maxOutputBytes }, { cause: error });
    }
    if (error instanceof DOMException && error.name === 'TimeoutError') {
      return new ApiError('tool_timeout', { ms: tool instanceof ApiError ? 0 : tool.timeoutMs }, { cause: error });
    }
    const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown';
    return new ApiError('tool_unreachable', { reason: code }, { cause: error });
  }
}

function mayHelp({ status }: ToolCallMeasure, { code }: ErrorInfo): boolean {
  return code === 'tool_unreachable' || (status !== null && RETRYABLE_STATUS.has(status));
}

/** The body of the call: the model's own text once it is known to be an object; a model that sends nothing means `{}`. */
function checkedArguments(text: string): string {
  if (text.trim() === '') return '{}';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ApiError('tool_invalid_arguments', { reason }, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('tool_invalid_arguments', { reason: 'it is something else' });
  }
  return text;
}
