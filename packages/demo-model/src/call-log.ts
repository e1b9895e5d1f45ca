import type { IncomingHttpHeaders, ServerResponse } from 'node:http';

/** How a call ended; `hang` from the moment it hangs. */
export type Ending = 'complete' | 'aborted' | 'cut' | 'hang' | 'error';

/** One request that a model or a tool received. Times are milliseconds since the epoch. */
export interface Call {
  kind: 'model' | 'tool';
  /** The endpoint (`chat.completions`, `responses`, `embeddings`), or the tool's name. */
  name: string;
  at: number;
  idempotency_key: string | null;
  /** `X-Client-Request-Id`: the caller's own name of the call. */
  client_request_id: string | null;
  model: string | null;
  /** Of a Responses input: its items. */
  messages_count: number | null;
  /** The top-level fields of a request to the model, without `messages`, `input` and `tools`; long ones clipped. */
  parameters: Record<string, unknown> | null;
  /** Names of the tools that the request offers; null where it has no `tools`. */
  tools: string[] | null;
  /** A tool's arguments; a string with their beginning where they are long. */
  arguments: unknown;
  /** The beginning of the last user message's text. */
  text: string | null;
  /** Null while it runs. */
  ended: Ending | null;
  /** The client was gone before the answer was out; also of a call that hung. */
  aborted: boolean;
  /** When the answer was out or the connection gone; null before. */
  closed_at: number | null;
  /** `authorization` (redacted), `traceparent` and `idempotency-key`, as far as they were sent. */
  headers: Record<string, string>;
}

/** Counts since the server started. */
export interface Stats {
  model_calls: number;
  tool_calls: number;
  open: number;
  chunks: number;
  ended: Record<Ending, number>;
}

const maxKept = 4_096;

/** The last calls of a server, and counts of all. */
export class CallLog {
  readonly #calls = new Set<Call>();
  readonly #limit: number;
  readonly #stats: Stats = {
    model_calls: 0,
    tool_calls: 0,
    open: 0,
    chunks: 0,
    ended: { complete: 0, aborted: 0, cut: 0, hang: 0, error: 0 },
  };

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  /** Notes a call that has arrived; it ends with the response at the latest. */
  begin(kind: Call['kind'], name: string, headers: IncomingHttpHeaders, response: ServerResponse): Call {
    const call: Call = {
      kind,
      name,
      at: now(),
      idempotency_key: single(headers['idempotency-key']),
      client_request_id: single(headers['x-client-request-id']),
      model: null,
      messages_count: null,
      parameters: null,
      tools: null,
      arguments: null,
      text: null,
      ended: null,
      aborted: false,
      closed_at: null,
      headers: keptHeaders(headers),
    };
    this.#calls.add(call);
    if (this.#calls.size > this.#limit) {
      for (const oldest of this.#calls) {
        this.#calls.delete(oldest);
        break;
      }
    }
    this.#stats[kind === 'model' ? 'model_calls' : 'tool_calls'] += 1;
    this.#stats.open += 1;
    response.once('finish', () => this.end(call, 'complete'));
    response.once('close', () => {
      this.end(call, 'aborted');
      call.aborted = !response.writableFinished && call.ended !== 'cut';
      call.closed_at = now();
      this.#stats.open -= 1;
    });
    return call;
  }

  /** Says how a call ended; the first to say so is right. */
  end(call: Call, ending: Ending): void {
    if (call.ended !== null) return;
    call.ended = ending;
    this.#stats.ended[ending] += 1;
  }

  /** Counts content chunks that were produced. */
  countChunks(chunks: number): void {
    this.#stats.chunks += chunks;
  }

  /** The calls, oldest first; with `contains`, those whose text or JSON arguments have it. */
  list(contains = ''): Call[] {
    const calls = [...this.#calls];
    if (contains === '') return calls;
    return calls.filter((call) => {
      if (call.text?.includes(contains)) return true;
      const json = typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments);
      return call.arguments !== null && json.includes(contains);
    });
  }

  /** Forgets the calls, not the counts. */
  clear(): void {
    this.#calls.clear();
  }

  /** A copy of the counts. */
  stats(): Stats {
    return structuredClone(this.#stats);
  }
}

/** The beginning of a text, as a copy: a slice would keep the whole text in memory. */
export function beginningOf(text: string): string {
  return text.length <= maxKept ? text : Buffer.from(text.slice(0, maxKept)).toString();
}

/** Arguments as they are kept: whole where their JSON is short, else the beginning of it. */
export function keptArguments(value: unknown, json: string): unknown {
  return json.length <= maxKept ? value : beginningOf(json);
}

function keptHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = {};
  if (headers.authorization !== undefined) kept.authorization = '[redacted]';
  for (const name of ['traceparent', 'idempotency-key']) {
    const value = single(headers[name]);
    if (value !== null) kept[name] = value;
  }
  return kept;
}

function single(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null;
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
