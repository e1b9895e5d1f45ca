/** The HTTP side of a model call: one request to a chat-completions server, its stream as parsed chunks. */
import type { Prompt } from '@tailrace/chain';
import { ApiError } from '@tailrace/protocol';
import { Agent, errors, request } from 'undici';
import type { Dialect } from './dialect.ts';
import { chunksOf } from './event-stream.ts';
import { UpstreamFailure } from './upstream-failure.ts';

/** Where and how a model is called. */
export interface UpstreamTarget {
  baseUrl: string;
  apiKey: string | null;
  model: string;
  dialect: Dialect;
}

/** Bounds of one upstream call. Times are in milliseconds. */
export interface UpstreamLimits {
  connectMs: number;
  /** From the request to the response's head. */
  firstByteMs: number;
  /** Between two pieces of the stream. */
  idleMs: number;
  /** For everything together. */
  totalMs: number;
  /** Bytes of one answer. */
  maxBytes: number;
  /** Connections to one upstream. */
  connections: number;
}

/** What a call tells beside its chunks. */
export interface CallWatch {
  /** The response's status has come. */
  head(status: number): void;
  /** The upstream has said that its answer is whole. */
  done(): void;
}

const RETRYABLE_STATUS = new Set([408, 409, 425, 429, 500, 502, 503, 504, 529]);
const ERROR_BODY_BYTES = 64 * 1024;

/** The connections to all upstreams of a process. */
export class UpstreamClient {
  readonly #limits: UpstreamLimits;
  readonly #agent: Agent;

  constructor(limits: UpstreamLimits) {
    this.#limits = limits;
    this.#agent = new Agent({
      connections: limits.connections,
      connect: { timeout: limits.connectMs },
      headersTimeout: limits.firstByteMs,
      bodyTimeout: limits.idleMs,
      maxResponseSize: limits.maxBytes,
    });
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /**
   * Calls the model. The chunks follow each other until the upstream says that it is done, or until the connection ends.
   * @throws UpstreamFailure
   */
  async *call(
    target: UpstreamTarget,
    prompt: Prompt,
    headers: Record<string, string>,
    signal: AbortSignal,
    watch: CallWatch,
  ): AsyncGenerator<unknown> {
    // A stream that never ends, however slowly it goes on, is cut off all the same.
    const deadline = AbortSignal.timeout(this.#limits.totalMs);
    try {
      const response = await request(`${target.baseUrl.replace(/\/$/, '')}/${target.dialect.path}`, {
        method: 'POST',
        dispatcher: this.#agent,
        signal: AbortSignal.any([signal, deadline]),
        headers: {
          'content-type': 'application/json',
          accept: 'text/event-stream',
          ...(target.apiKey === null ? {} : { authorization: `Bearer ${target.apiKey}` }),
          ...headers,
        },
        body: JSON.stringify({ ...target.dialect.body(prompt), model: target.model }),
      });
      watch.head(response.statusCode);
      if (response.statusCode !== 200) throw await failureOf(response);
      if (String(response.headers['content-type'] ?? '').includes('application/json')) {
        yield await response.body.json();
        watch.done();
        return;
      }
      yield* chunksOf(response.body, target.dialect.isLast, () => {
        if (target.dialect.endsWithDone) watch.done();
      });
    } catch (error) {
      if (signal.aborted) throw error;
      if (deadline.aborted) {
        const late = new ApiError('upstream_timeout', { ms: this.#limits.totalMs }, { cause: error });
        throw new UpstreamFailure(late, { retryable: false });
      }
      throw this.#toFailure(error);
    }
  }

  #toFailure(error: unknown): unknown {
    if (error instanceof UpstreamFailure) return error;
    if (error instanceof ApiError) return new UpstreamFailure(error, { retryable: true });
    if (error instanceof errors.ResponseExceededMaxSizeError) {
      const limit = this.#limits.maxBytes;
      return new UpstreamFailure(new ApiError('upstream_too_large', { limit }), { retryable: false });
    }
    if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) {
      const ms = error instanceof errors.HeadersTimeoutError ? this.#limits.firstByteMs : this.#limits.idleMs;
      return new UpstreamFailure(new ApiError('upstream_timeout', { ms }, { cause: error }), { retryable: true });
    }
    if (error instanceof SyntaxError) {
      const reason = 'a chunk is not JSON';
      return new UpstreamFailure(new ApiError('upstream_invalid', { reason }, { cause: error }), { retryable: true });
    }
    const reason = reasonOf(error);
    return new UpstreamFailure(new ApiError('upstream_unreachable', { reason }, { cause: error }), { retryable: true });
  }
}

interface ErrorResponse {
  statusCode: number;
  headers: Record<string, string | string[] | undefined>;
  body: AsyncIterable<Uint8Array>;
}

async function failureOf({ statusCode, headers, body }: ErrorResponse): Promise<UpstreamFailure> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const bytes of body) {
    parts.push(bytes);
    size += bytes.length;
    if (size > ERROR_BODY_BYTES) break;
  }
  const reason = errorMessage(Buffer.concat(parts).toString());
  return new UpstreamFailure(new ApiError('upstream_error', { status: statusCode, reason }), {
    status: statusCode,
    retryable: RETRYABLE_STATUS.has(statusCode),
    retryAfterMs: retryAfterMs(headers['retry-after']),
  });
}

/** The message in OpenAI's error envelope, or the body as it is. */
function errorMessage(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } | string };
    if (typeof error === 'string') return error;
    if (typeof error?.message === 'string') return error.message;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return text.slice(0, 500);
}

function retryAfterMs(header: string | string[] | undefined): number | null {
  if (typeof header !== 'string') return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  return code ? `${error.message || 'connection failed'} (${code})` : error.message;
}
