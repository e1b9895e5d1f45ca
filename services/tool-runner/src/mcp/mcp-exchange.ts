/**
 * One request to an MCP server and its answer. The SDK's client does not tell when the connection that an answer was to come
 * over breaks, or bears too much; it would wait for its deadline. So each request has an exchange, which the transport's
 * `fetch` finds in the asynchronous context and tells of such things.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** See the file's head. */
export interface Exchange {
  /** What is sent along with the request. */
  headers: Record<string, string>;
  /** Aborted when the exchange has failed, or nobody wants it any more. */
  signal: AbortSignal;
  /** To be told of the HTTP status. */
  answered(status: number): void;
  /** The answer will not come. */
  fail(error: unknown): void;
  /** The stream has ended: unless it can be taken up again, the answer will not come. */
  ended(): void;
  /** The message of the exchange has been sent: what follows in its context, as a cancellation, is not it. */
  sent: boolean;
}

/** What an exchange is made with. */
export interface ExchangeOptions {
  headers: Record<string, string>;
  signal: AbortSignal;
  answered(status: number): void;
  /** Whether the answer is there although the work goes on; left out where the answer is the end of it. */
  done?(): boolean;
}

/** How the SDK is asked within an exchange. */
export interface ExchangeRequest {
  signal: AbortSignal;
  timeout: number;
  onresumptiontoken(): void;
}

/** A server ended its stream without an answer. */
export class BrokenOff extends Error {
  constructor() {
    super('the stream ended without an answer');
    this.name = 'BrokenOff';
  }
}

/** The SDK's own deadline: none, since the exchange has one. */
const NEVER_MS = 2 ** 31 - 1;

const exchanges = new AsyncLocalStorage<Exchange>();

/** The exchange that a `fetch` belongs to. */
export function currentExchange(): Exchange | undefined {
  return exchanges.getStore();
}

/** Runs one request of the SDK. Rejects with what the exchange failed with, or with the reason of its signal. */
export async function exchange<T>(options: ExchangeOptions, ask: (request: ExchangeRequest) => Promise<T>): Promise<T> {
  options.signal.throwIfAborted();
  // The SDK goes on listening to a signal after the answer has come: it gets one of its own.
  const own = new AbortController();
  let settled = false;
  let resumable = false;
  const fail = (error: unknown) => {
    if (!settled && !options.done?.()) own.abort(error);
  };
  const stop = () => own.abort(options.signal.reason);
  options.signal.addEventListener('abort', stop, { once: true });
  const store: Exchange = {
    headers: options.headers,
    signal: own.signal,
    answered: options.answered,
    fail,
    ended() {
      // The answer may still be on its way through the SDK's streams.
      if (!resumable) setImmediate(() => fail(new BrokenOff()));
    },
    sent: false,
  };
  const request: ExchangeRequest = {
    signal: own.signal,
    timeout: NEVER_MS,
    onresumptiontoken() {
      resumable = true;
    },
  };
  try {
    return await exchanges.run(store, () => ask(request));
  } catch (error) {
    throw own.signal.aborted ? own.signal.reason : error;
  } finally {
    settled = true;
    options.signal.removeEventListener('abort', stop);
  }
}
