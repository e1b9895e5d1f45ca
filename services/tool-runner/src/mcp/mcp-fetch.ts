/** The `fetch` that the SDK's transport is given: bounded, and by the way that fits the server. */
import type { Readable } from 'node:stream';
import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ApiError } from '@tailrace/protocol';
import { currentExchange, type Exchange } from './mcp-exchange.ts';

/** Sends a request; follows no redirect. */
export type Send = (
  url: string,
  request: { method: 'GET' | 'POST' | 'DELETE'; headers: Record<string, string>; body: string | null },
  signal: AbortSignal,
) => Promise<{ status: number; headers: Record<string, string>; body: Readable }>;

/** A server refused a message. */
export class RefusedMessage extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`the server answered ${status}`);
    this.name = 'RefusedMessage';
    this.status = status;
    this.body = body;
  }
}

const ERROR_BODY_BYTES = 2_000;
/** What is sent beside requests (notifications, answers to the server) has this long, and there is this much at once. */
const ASIDE = { ms: 10_000, most: 16 };

/** A `fetch` for one session. */
export function mcpFetch(send: Send, maxBytes: number): FetchLike {
  let aside = 0;
  return async (url, init) => {
    const headers = new Headers(init?.headers);
    const method = methodOf(init?.method);
    // A standing stream would only bring what nobody listens to; a server may refuse it just so.
    if (method === 'GET' && !headers.has('last-event-id')) return new Response(null, { status: 405 });
    const own = takeExchange(method);
    if (!own && aside >= ASIDE.most)
      throw new ApiError('tool_invalid_answer', { reason: 'it asks for too much at once' });
    for (const [name, value] of Object.entries(own?.headers ?? {})) headers.set(name, value);
    const until = own?.signal ?? AbortSignal.timeout(ASIDE.ms);
    const signal = init?.signal ? AbortSignal.any([init.signal, until]) : until;
    const body = typeof init?.body === 'string' ? init.body : null;
    if (!own) aside += 1;
    try {
      const answer = await send(String(url), { method, headers: Object.fromEntries(headers), body }, signal);
      own?.answered(answer.status);
      if (method === 'POST' && answer.status >= 400) throw await refusal(answer);
      const bounded = boundedBody(answer.body, maxBytes, own);
      const bodiless = [204, 205, 304].includes(answer.status);
      if (bodiless) answer.body.destroy();
      return new Response(bodiless ? null : bounded, { status: answer.status, headers: answer.headers });
    } finally {
      if (!own) aside -= 1;
    }
  };
}

/** The exchange that a request belongs to: its first message, or the stream of its answer that is taken up again. */
function takeExchange(method: string): Exchange | undefined {
  const exchange = currentExchange();
  if (!exchange || (method === 'POST' && exchange.sent) || method === 'DELETE') return undefined;
  exchange.sent = true;
  return exchange;
}

function boundedBody(body: Readable, maxBytes: number, exchange: Exchange | undefined): ReadableStream<Uint8Array> {
  return ReadableStream.from(counted(body, maxBytes, exchange));
}

async function* counted(body: Readable, maxBytes: number, exchange: Exchange | undefined): AsyncGenerator<Uint8Array> {
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size > maxBytes) throw new ApiError('tool_output_too_large', { limit: maxBytes });
      yield chunk;
    }
  } catch (error) {
    exchange?.fail(error);
    throw error;
  }
  exchange?.ended();
}

async function refusal({ status, body }: { status: number; body: Readable }): Promise<RefusedMessage> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > ERROR_BODY_BYTES) break;
  }
  return new RefusedMessage(status, Buffer.concat(chunks).subarray(0, ERROR_BODY_BYTES).toString());
}

function methodOf(method = 'GET'): 'GET' | 'POST' | 'DELETE' {
  switch (method) {
    case 'GET':
    case 'POST':
    case 'DELETE':
      return method;
    default:
      throw new TypeError(`the transport uses ${method}`);
  }
}
