/** A log on its way to a client: what it has not seen yet, at its pace, whether the log is live, stored or long gone. */
import { hasEnded } from '@tailrace/chain';
import { loadResponse } from '@tailrace/database';
import { dropFrames, encodeFrame, type Follower, type LogMessage } from '@tailrace/log';
import { errorInfo, errorPayload, publicResponseId, type ResponseId } from '@tailrace/protocol';
import type { GatewayContext } from './context.ts';
import { replayAnew, replayFrames } from './replay.ts';

const CREATED = Buffer.from('event: response.created\n');

/** A client. */
export interface FrameSink {
  /** Whether it has gone. */
  readonly gone: boolean;
  /** Gets whole frames. Resolves when it takes more, or has gone. */
  write(frames: Uint8Array): Promise<void>;
  /** Nothing has happened for a while. */
  keepAlive(): void;
}

/** What a client has seen, and what it follows. */
export interface ForwardOptions {
  id: ResponseId;
  follower: Follower;
  /** Nothing had been appended when the follower was made. */
  fresh: boolean;
  /** The number of the last event that the client has seen; -1 for none. */
  after: number;
}

/**
 * Forwards a log to its end, or until the client has gone or the follower is closed.
 * @returns whether the log came to its end.
 */
export async function forwardLog(
  context: Pick<GatewayContext, 'database'>,
  sink: FrameSink,
  options: ForwardOptions,
): Promise<boolean> {
  const { id, follower, fresh } = options;
  let after = options.after;
  for await (const event of follower.events({ fresh })) {
    if (sink.gone) return false;
    switch (event.type) {
      case 'idle':
        sink.keepAlive();
        break;
      case 'empty':
        // What this reader has had of the log is gone with it: where a projection would go on, it could not follow.
        if (await replay(context, sink, id, after, after > options.after)) return true;
        sink.keepAlive();
        break;
      case 'message': {
        if (isTorn(event.message, after) && (await replay(context, sink, id, after))) return true;
        const bytes = framesAfter(event.message, after);
        if (bytes.length > 0) await sink.write(bytes);
        after = Math.max(after, event.message.meta.last);
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

/** Whether what should stand before a message has expired. A log that was lost begins anew, and is whole. */
function isTorn({ meta, bytes }: LogMessage, after: number): boolean {
  return meta.first > after + 1 && !CREATED.equals(bytes.subarray(0, CREATED.length));
}

/** The stream from the chain, if the response has ended. */
async function replay(
  context: Pick<GatewayContext, 'database'>,
  sink: FrameSink,
  id: ResponseId,
  after: number,
  anew = false,
): Promise<boolean> {
  const stored = await loadResponse(context.database, id);
  if (!stored) {
    // It has been removed under its reader: no event of its own will ever say so.
    const error = errorPayload(errorInfo('response_not_found', { id: publicResponseId(id) }), null);
    await sink.write(Buffer.from(encodeFrame({ type: 'error', error }, after + 1)));
    return true;
  }
  if (!hasEnded(stored.record)) return false;
  await sink.write(Buffer.from(anew ? replayAnew(stored, after) : replayFrames(stored, after)));
  return true;
}
