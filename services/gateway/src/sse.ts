/** A log as a Server-Sent Events stream: bytes in, bytes out, at the client's pace. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { hasEnded } from '@tailrace/chain';
import { loadResponse } from '@tailrace/database';
import { dropFrames, type Follower, type LogMessage } from '@tailrace/log';
import type { ResponseId } from '@tailrace/protocol';
import type { FastifyReply } from 'fastify';
import type { GatewayContext } from './context.ts';
import { replayFrames } from './replay.ts';

const KEEP_ALIVE = ': keep-alive\n\n';
const DONE = 'data: [DONE]\n\n';
const CREATED = Buffer.from('event: response.created\n');

/** What a client has seen, and what it follows. */
export interface StreamOptions {
  id: ResponseId;
  follower: Follower;
  /** Nothing had been appended when the follower was made. */
  fresh: boolean;
  /** The number of the last event that the client has seen; -1 for none. */
  after: number;
}

/** Streams a log to its end, or until the client has gone. */
export async function streamLog(context: GatewayContext, reply: FastifyReply, options: StreamOptions): Promise<void> {
  reply.hijack();
  const out = reply.raw;
  const finished = context.streams.enter(() => out.destroy());
  try {
    out.writeHead(200, {
      ...stringHeaders(reply),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
    });
    out.flushHeaders();
    out.socket?.setNoDelay(true);
    const ended = await forward(context, out, options);
    if (ended && !out.destroyed) out.end(DONE);
    else out.destroy();
  } catch (error) {
    context.log.warn({ err: error, response_id: options.id }, 'a stream broke off; its client can come back');
    out.destroy();
  } finally {
    options.follower.close();
    finished();
  }
}

/** @returns whether the log came to its end. */
async function forward(context: GatewayContext, out: ServerResponse, options: StreamOptions): Promise<boolean> {
  const { id, follower, fresh, after } = options;
  let begun = false;
  // The follower waits for messages; a client that goes must not keep it waiting.
  out.once('close', () => follower.close());
  for await (const event of follower.events({ fresh })) {
    if (out.destroyed) return false;
    switch (event.type) {
      case 'idle':
        out.write(KEEP_ALIVE);
        break;
      case 'empty':
        if (await replay(context, out, id, after)) return true;
        out.write(KEEP_ALIVE);
        break;
      case 'message': {
        if (!begun && isTorn(event.message, after) && (await replay(context, out, id, after))) return true;
        begun = true;
        const bytes = framesAfter(event.message, after);
        if (bytes.length > 0 && !out.write(bytes)) await drained(out);
        if (event.message.meta.ended !== null) return true;
        break;
      }
    }
  }
  return false;
}

/** The part of a message that lies after event `after`. */
function framesAfter({ meta, bytes }: LogMessage, after: number): Uint8Array {
  if (meta.first > after) return bytes;
  if (meta.last <= after) return bytes.subarray(bytes.length);
  return dropFrames(bytes, after - meta.first + 1);
}

/** Whether what should stand before a log's first message has expired. A log that was lost begins anew, and is whole. */
function isTorn({ meta, bytes }: LogMessage, after: number): boolean {
  return meta.first > after + 1 && !CREATED.equals(bytes.subarray(0, CREATED.length));
}

/** The stream from the chain, if the response has ended. */
async function replay(context: GatewayContext, out: ServerResponse, id: ResponseId, after: number): Promise<boolean> {
  const stored = await loadResponse(context.database, id);
  if (!stored) return true;
  if (!hasEnded(stored.record)) return false;
  if (!out.write(replayFrames(stored, after))) await drained(out);
  return true;
}

async function drained(out: ServerResponse): Promise<void> {
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

function stringHeaders(reply: FastifyReply): Record<string, string> {
  return Object.fromEntries(
    Object.entries(reply.getHeaders()).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}
