/** The `fetch` that the SDK's transport is given: bounded, and by the way that fits the server. */
import type { Readable } from 'node:stream';
import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ApiError } from '@tailrace/protocol';
import { Deadline } from '../deadline.ts';
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

/**
 * What is sent beside requests (notifications, answers to the server) has this long, and there is this much at once. Fixed: the
 * client offers nothing that a server could ask for often, so only one that means harm comes near.
 */
const ASIDE = { ms: 10_000, most: 16 };

/** A `Response` with a body cannot have these. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/** A `fetch` for one session. Of what is sent beside requests, nobody reads the answers. */
export function mcpFetch(send: Send, maxBytes: number): FetchLike {
  let aside = 0;
  return async (url, init) => {
    const headers = new Headers(init?.headers);
    const method = methodOf(init?.method);
    // A standing stream would only bring what nobody listens to; a server may refuse it just so.
    if (method === 'GET' && !headers.has('last-event-id')) return new Response(null, { status: 405 });
    const own = takeExchange(method);
    for (const [name, value] of Object.entries(own?.headers ?? {})) headers.set(name, value);
    const body = typeof init?.body === 'string' ? init.body : null;
    const answered = async (until: AbortSignal) => {
      const signal = init?.signal ? AbortSignal.any([init.signal, until]) : until;
      const answer = await send(String(url), { method, headers: Object.fromEntries(headers), body }, signal);
      own?.answered(answer.status);
      if (method === 'POST' && answer.status >= 400) throw await refusal(answer, maxBytes);
      const read = own && !BODILESS.has(answer.status);
      if (!read) discard(answer.body);
      return new Response(read ? boundedBody(answer.body, maxBytes, own) : null, {
        status: answer.status,
        headers: answer.headers,
      });
    };
    if (own) return answered(own.signal);
    if (aside >= ASIDE.most) throw new ApiError('tool_invalid_answer', { reason: 'it asks for too much at once' });
    const deadline = new Deadline(ASIDE.ms);
    aside += 1;
    try {
      return await answered(deadline.signal);
    } finally {
      deadline.close();
      aside -= 1;
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

/** Ends a body, and where there is more of it, its connection. */
function discard(body: Readable): void {
  // One that is cut short tells so with an error, which would end the process: here it is the intention.
  body.on('error', () => undefined);
  body.destroy();
}

/** Not `ReadableStream.from`: what is cancelled before anybody has read of it would keep its connection. */
function boundedBody(body: Readable, maxBytes: number, exchange: Exchange): ReadableStream<Uint8Array> {
  const chunks = counted(body, maxBytes, exchange);
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => discard(body),
    },
    { highWaterMark: 0 },
  );
}

async function* counted(body: Readable, maxBytes: number, exchange: Exchange): AsyncGenerator<Uint8Array> {
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size > maxBytes) throw new ApiError('tool_output_too_large', { limit: maxBytes });
      yield chunk;
    }
  } catch (error) {
    exchange.fail(error);
    throw error;
  }
  exchange.ended();
}

async function refusal(
  { status, body }: { status: number; body: Readable },
  maxBytes: number,
): Promise<RefusedMessage> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > maxBytes) break;
  }
  return new RefusedMessage(status, Buffer.concat(chunks).subarray(0, maxBytes).toString());
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
