/** The HTTP side of a call: one request to a model's server, and its answer as it comes. */
import { ApiError } from '@tailrace/protocol';
import { RETRYABLE_STATUSES } from '@tailrace/registry';
import { Agent, type Dispatcher, errors, request } from 'undici';
import type { CallClock } from './call-clock.ts';
import type { Dialect } from './dialect.ts';
import { jsonBody } from './json-body.ts';
import { type Refusal, UpstreamFailure } from './upstream-failure.ts';

/** Where and how a model is called. */
export interface UpstreamTarget {
  baseUrl: string;
  apiKey: string | null;
  model: string;
  dialect: Dialect;
}

/** Bounds of the calls of a process. */
export interface UpstreamLimits {
  /** Bytes of one answer. */
  maxBytes: number;
  /** Connections to one upstream. */
  connections: number;
}

/** What is asked of an upstream. */
export interface UpstreamRequest {
  /** Under the upstream's root. */
  path: string;
  /** Without the upstream's name of the model. */
  body: object;
  headers: Record<string, string>;
  accept: string;
  connectMs: number;
}

/** An answer with status 200. */
export interface UpstreamAnswer {
  /** Whether it is one JSON text; otherwise it streams. */
  isJson: boolean;
  contentType: string;
  body: AsyncIterable<Uint8Array>;
}

const ERROR_BODY_BYTES = 64 * 1024;
/**
 * Milliseconds for what follows the end of an answer: the end of its body, after which its connection serves again. Until then
 * it is one of `connections`.
 */
const REST_MS = 250;
/** Each bound for connecting has connections of its own; the bounds that were used last are kept. */
const MAX_AGENTS = 16;

/** The connections to all upstreams of a process. */
export class UpstreamClient {
  readonly #limits: UpstreamLimits;
  readonly #agents = new Map<number, Agent>();
  readonly #closing = new Set<Promise<void>>();

  constructor(limits: UpstreamLimits) {
    this.#limits = limits;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
    await Promise.all(this.#closing);
  }

  /**
   * Asks, and yields what `read` makes of the answer. `onHead` hears of the response's status. The call is left when the
   * clock says so, and when nobody takes what it yields any more.
   * @throws UpstreamFailure
   */
  async *call<T>(
    target: UpstreamTarget,
    asked: UpstreamRequest,
    clock: CallClock,
    onHead: (status: number) => void,
    read: (answer: UpstreamAnswer) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    let body: Dispatcher.ResponseData['body'] | undefined;
    let whole = false;
    try {
      const answer = await this.#request(target, asked, clock);
      const { statusCode, headers } = answer;
      body = answer.body;
      // Who reads it is told; afterwards nobody is there to be.
      body.on('error', () => undefined);
      onHead(statusCode);
      const watched = clock.watch(body.iterator({ destroyOnReturn: false }));
      if (statusCode !== 200) throw await failureOf(statusCode, headers, watched);
      const contentType = String(headers['content-type'] ?? '');
      yield* read({ isJson: contentType.includes('application/json'), contentType, body: watched });
      whole = true;
    } catch (error) {
      if (clock.failure) throw clock.failure;
      if (clock.signal.aborted) throw error;
      throw this.#toFailure(error, body !== undefined);
    } finally {
      if (whole && body) this.#finish(body);
      else body?.destroy();
    }
  }

  /** Nothing of the rest counts. Without its end the connection could not be used again. */
  #finish(body: Dispatcher.ResponseData['body']): void {
    const rest = body.dump({ limit: this.#limits.maxBytes, signal: AbortSignal.timeout(REST_MS) });
    const finished = Promise.allSettled([rest]).then(() => {
      this.#closing.delete(finished);
    });
    this.#closing.add(finished);
  }

  #request(
    { baseUrl, apiKey, model }: UpstreamTarget,
    { path, body: asked, headers, accept, connectMs }: UpstreamRequest,
    { signal }: CallClock,
  ): Promise<Dispatcher.ResponseData> {
    const { length, body } = jsonBody({ ...asked, model });
    return request(`${baseUrl.replace(/\/$/, '')}/${path}`, {
      method: 'POST',
      dispatcher: this.#agent(connectMs),
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': String(length),
        accept,
        ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
        ...headers,
      },
      body,
    });
  }

  #agent(connectMs: number): Agent {
    const known = this.#agents.get(connectMs);
    this.#agents.delete(connectMs);
    const agent =
      known ??
      new Agent({
        connections: this.#limits.connections,
        connect: { timeout: connectMs },
        // The clock of each call bounds them.
        headersTimeout: 0,
        bodyTimeout: 0,
        maxResponseSize: this.#limits.maxBytes,
      });
    this.#agents.set(connectMs, agent);
    const [oldest] = this.#agents;
    if (this.#agents.size > MAX_AGENTS && oldest) this.#retire(...oldest);
    return agent;
  }

  /** Its calls go on to their ends. */
  #retire(connectMs: number, agent: Agent): void {
    this.#agents.delete(connectMs);
    const closing = agent.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #toFailure(error: unknown, head: boolean): unknown {
    if (error instanceof UpstreamFailure) return error;
    if (error instanceof ApiError) return new UpstreamFailure(error, { retryable: true });
    if (error instanceof errors.ResponseExceededMaxSizeError) {
      const limit = this.#limits.maxBytes;
      return new UpstreamFailure(new ApiError('upstream_too_large', { limit }), { retryable: false });
    }
    if (error instanceof SyntaxError) {
      const reason = 'a chunk is not JSON';
      return new UpstreamFailure(new ApiError('upstream_invalid', { reason }, { cause: error }), { retryable: true });
    }
    const reason = reasonOf(error);
    const code = head ? 'upstream_cut' : 'upstream_unreachable';
    return new UpstreamFailure(new ApiError(code, { reason }, { cause: error }), { retryable: true });
  }
}

async function failureOf(
  status: number,
  headers: Dispatcher.ResponseData['headers'],
  body: AsyncIterable<Uint8Array>,
): Promise<UpstreamFailure> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const bytes of body) {
    parts.push(bytes);
    size += bytes.length;
    if (size > ERROR_BODY_BYTES) break;
  }
  const refusal: Refusal = { status, body: Buffer.concat(parts).toString() };
  const reason = errorMessage(refusal.body);
  return new UpstreamFailure(new ApiError('upstream_error', { status, reason }), {
    status,
    retryable: RETRYABLE_STATUSES.includes(status),
    retryAfterMs: retryAfterMs(headers['retry-after']),
    refusal,
  });
}

/** The message in OpenAI's error envelope, or the body as it is. */
function errorMessage(text: string): string {
  try {
    const value = JSON.parse(text) as { error?: { message?: unknown } | string | null } | null;
    const error = value?.error;
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
