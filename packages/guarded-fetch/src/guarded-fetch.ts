import { lookup } from 'node:dns/promises';
import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, errors, request } from 'undici';
import { AllowList } from './address.ts';
import { guardedConnector, type LookupAll } from './connect.ts';
import { GuardedFetchError } from './error.ts';

export type { LookupAll };

/** What a `GuardedFetch` may do. */
export interface GuardedFetchOptions {
  /** Addresses, CIDRs and host names that are let through although they are not public. */
  allow: readonly string[];
  /** Milliseconds for finding the address and opening one connection, TLS included. */
  connectMs: number;
  /** Milliseconds for everything together, redirects included. */
  totalMs: number;
  /** Bytes of an answer's body. */
  maxBytes: number;
  /** Redirects that are followed. */
  maxRedirects: number;
  /** How addresses are found, if not by the system. */
  lookup?: LookupAll;
}

/** An answer, whatever its status. */
export interface FetchedAnswer {
  status: number;
  /** By lower-case names; several values of one name are joined with a comma. */
  headers: Record<string, string>;
  /** The body as it was sent: a content encoding, though none was asked for, is not undone. */
  bytes: Uint8Array;
  /** The address that answered, after redirects. */
  url: string;
}

/** What is sent with `POST`. */
export interface GuardedPost {
  headers: Record<string, string>;
  body: string | Uint8Array;
}

/** A request as it is sent. */
export interface GuardedRequest {
  method: 'GET' | 'POST' | 'DELETE';
  headers: Record<string, string>;
  body: string | null;
}

/** An answer whose body is still to come. */
export interface OpenAnswer {
  status: number;
  /** By lower-case names; several values of one name are joined with a comma. */
  headers: Record<string, string>;
  /** To be read to its end, or destroyed. */
  body: Readable;
}

type Answer = Dispatcher.ResponseData<null>;

/** Bytes of the headers of an answer. */
const MAX_HEADER_BYTES = 16_384;

interface Sending {
  method: 'GET' | 'POST' | 'DELETE';
  headers: Record<string, string>;
  body: string | Uint8Array | null;
  signal: AbortSignal;
}

/** Sends requests to addresses that a client has chosen: to public ones and those that the operator allows. */
export class GuardedFetch {
  readonly #options: GuardedFetchOptions;
  readonly #agent: Agent;

  /** @throws RangeError for an entry of `allow` that cannot be read */
  constructor(options: GuardedFetchOptions) {
    this.#options = options;
    const allow = new AllowList(options.allow);
    const find: LookupAll = options.lookup ?? ((host) => lookup(host, { all: true }));
    this.#agent = new Agent({
      connect: guardedConnector(allow, find, options.connectMs),
      maxHeaderSize: MAX_HEADER_BYTES,
      // The time as a whole is what bounds both.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /**
   * Fetches a document, and follows redirects to it.
   * @throws GuardedFetchError, or the signal's reason
   */
  async get(url: string, signal: AbortSignal): Promise<FetchedAnswer> {
    return this.#within(signal, async (both) => {
      const sending: Sending = { method: 'GET', headers: {}, body: null, signal: both };
      let target = targetOf(url);
      for (let redirects = 0; ; redirects += 1) {
        const answer = await this.#send(target, sending);
        const location = redirectOf(answer);
        if (location === null) return await this.#read(answer, target);
        discard(answer);
        if (redirects === this.#options.maxRedirects) {
          throw new GuardedFetchError('too_many_redirects', `more than ${this.#options.maxRedirects} redirects`);
        }
        target = targetOf(location, target);
      }
    });
  }

  /**
   * Delivers a body. A redirect is an answer like others: a body is not handed on to where it was not meant for.
   * @throws GuardedFetchError, or the signal's reason
   */
  async post(url: string, { headers, body }: GuardedPost, signal: AbortSignal): Promise<FetchedAnswer> {
    return this.#within(signal, async (both) => {
      const target = targetOf(url);
      return this.#read(await this.#send(target, { method: 'POST', headers, body, signal: both }), target);
    });
  }

  /**
   * Sends a request and hands over its answer, whatever its status, with the body still open: `totalMs`, `maxBytes` and
   * `maxRedirects` do not count, the caller bounds what it reads and ends it with `signal`.
   * @throws GuardedFetchError, or the signal's reason
   */
  async open(url: string, { method, headers, body }: GuardedRequest, signal: AbortSignal): Promise<OpenAnswer> {
    signal.throwIfAborted();
    try {
      const answer = await this.#send(targetOf(url), { method, headers, body, signal });
      return { status: answer.statusCode, headers: flat(answer.headers), body: answer.body };
    } catch (error) {
      if (error instanceof GuardedFetchError) throw error;
      if (signal.aborted) throw signal.reason;
      throw error instanceof errors.InvalidArgumentError ? error : failure(error);
    }
  }

  /** Ends what is under way: callers get `unreachable`. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #within(signal: AbortSignal, work: (both: AbortSignal) => Promise<FetchedAnswer>): Promise<FetchedAnswer> {
    signal.throwIfAborted();
    const { totalMs } = this.#options;
    const timer = AbortSignal.timeout(totalMs);
    try {
      return await work(AbortSignal.any([signal, timer]));
    } catch (error) {
      if (error instanceof GuardedFetchError) throw error;
      if (signal.aborted) throw signal.reason;
      if (timer.aborted) throw new GuardedFetchError('timeout', `no answer within ${totalMs} ms`, error);
      // A header or a body that cannot be sent is a mistake of the caller.
      throw error instanceof errors.InvalidArgumentError ? error : failure(error);
    }
  }

  #send(target: URL, { method, headers, body, signal }: Sending): Promise<Answer> {
    return request(target, {
      dispatcher: this.#agent,
      method,
      headers: { 'accept-encoding': 'identity', ...headers },
      body,
      signal,
      // Clients choose the hosts: connections kept to them would have no bound.
      reset: true,
    });
  }

  async #read(answer: Answer, target: URL): Promise<FetchedAnswer> {
    const { maxBytes } = this.#options;
    const chunks: Uint8Array[] = [];
    let size = 0;
    const announced = Number(answer.headers['content-length'] ?? 0);
    if (announced > maxBytes) {
      discard(answer);
      throw tooLarge(maxBytes);
    }
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      // Leaving the loop ends the connection.
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
    return {
      status: answer.statusCode,
      headers: flat(answer.headers),
      bytes: Buffer.concat(chunks, size),
      url: target.href,
    };
  }
}

/** An address that may be asked for; what its host is, is seen when it is connected to. */
function targetOf(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (!url) throw new GuardedFetchError('bad_url', 'the address is not a URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new GuardedFetchError('bad_url', `the address begins with ${url.protocol} instead of http: or https:`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new GuardedFetchError('bad_url', 'the address has a user name or a password in it');
  }
  return url;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

function redirectOf({ statusCode, headers }: Answer): string | null {
  return REDIRECTS.has(statusCode) && typeof headers.location === 'string' ? headers.location : null;
}

/** Gives the connection up: what else the answer holds is nobody's. */
function discard({ body }: Answer): void {
  // A stream that is cut short tells so with an error, which here is the intention.
  body.on('error', () => undefined);
  body.destroy();
}

function flat(headers: Answer['headers']): Record<string, string> {
  const entries = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : ([[name, value]] as const),
  );
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'string' ? value : value.join(', ')]),
  );
}

function tooLarge(maxBytes: number): GuardedFetchError {
  return new GuardedFetchError('too_large', `the answer is larger than ${maxBytes} bytes`);
}

function failure(error: unknown): GuardedFetchError {
  if (error instanceof errors.ConnectTimeoutError) {
    return new GuardedFetchError('timeout', 'the connection took too long', error);
  }
  const code = (error as NodeJS.ErrnoException).code;
  return new GuardedFetchError('unreachable', `there was no answer${code === undefined ? '' : ` (${code})`}`, error);
}
