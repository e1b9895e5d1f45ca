/** A log as a Server-Sent Events stream: bytes in, bytes out, at the client's pace. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Watched } from './abandonment.ts';
import type { GatewayContext } from './context.ts';
import { type EventNames, eventNamesOf, renamePieces } from './event-names.ts';
import { type ForwardOptions, type FrameSink, forwardLog } from './log-forward.ts';
import { processingMs } from './processing-time.ts';

const KEEP_ALIVE = ': keep-alive\n\n';
const DONE = 'data: [DONE]\n\n';

/** What is streamed, to whom it belongs, and what its client has seen. */
export interface StreamOptions extends Omit<ForwardOptions, 'id'> {
  response: Watched;
}

/** Streams a log to its end, or until the client has gone. */
export async function streamLog(
  context: GatewayContext,
  request: FastifyRequest,
  reply: FastifyReply,
  options: StreamOptions,
): Promise<void> {
  reply.hijack();
  const out = reply.raw;
  const { follower, response } = options;
  const finished = context.streams.enter(() => out.destroy());
  const left = context.abandonment.watch(response);
  let ended = false;
  try {
    out.writeHead(200, {
      ...stringHeaders(reply),
      'openai-processing-ms': processingMs(reply),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
    });
    out.flushHeaders();
    out.socket?.setNoDelay(true);
    // The follower waits for messages; a client that goes must not keep it waiting.
    out.once('close', () => follower.close());
    const sink = sinkOf(out, eventNamesOf(request.headers), context.keepAliveMs);
    ended = await forwardLog(context, sink, { ...options, id: response.id });
    if (ended && !out.destroyed) out.end(DONE);
    else out.destroy();
  } catch (error) {
    context.log.warn({ err: error, response_id: response.id }, 'a stream broke off; its client can come back');
    out.destroy();
  } finally {
    left(ended);
    follower.close();
    finished();
  }
}

/** Writes a comment of its own between frames whenever no bytes have been written for `keepAliveMs`. */
function sinkOf(out: ServerResponse, names: EventNames, keepAliveMs: number): FrameSink {
  let withinFrame = false;
  const timer = setInterval(() => {
    if (!withinFrame && !out.destroyed && !out.writableNeedDrain) out.write(KEEP_ALIVE);
  }, keepAliveMs);
  out.once('close', () => clearInterval(timer));
  return {
    get gone() {
      return out.destroyed;
    },
    async write(frames) {
      withinFrame = true;
      for await (const piece of renamePieces(frames, names)) {
        timer.refresh();
        if (!out.write(piece)) await drained(out);
        if (out.destroyed) return;
      }
      withinFrame = false;
    },
  };
}

/** Resolves when a client has read enough to be written to again, or has gone. */
export async function drained(out: ServerResponse): Promise<void> {
  if (out.destroyed || !out.writableNeedDrain) return;
  const gone = new AbortController();
  const close = () => gone.abort();
  out.once('close', close);
  try {
    await once(out, 'drain', { signal: gone.signal });
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  } finally {
    out.off('close', close);
  }
}

/** The headers that a reply has been given, for an answer that is written past it. */
export function stringHeaders(reply: FastifyReply): Record<string, string> {
  return Object.fromEntries(
    Object.entries(reply.getHeaders()).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}
