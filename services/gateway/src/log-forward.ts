/** A log on its way to a client: what it has not seen yet, at its pace, whether the log is live, stored or long gone. */
import { hasEnded } from '@tailrace/chain';
import { loadResponse } from '@tailrace/database';
import { dropFrames, encodeFrame, type Follower, type LazyLogMessage, type LogMeta } from '@tailrace/log';
import { errorInfo, errorPayload, publicResponseId, type ResponseId } from '@tailrace/protocol';
import { replayAnew, replayFrames } from './replay.ts';
import { EndWatch, type EndWatchContext, replayRest } from './untold-end.ts';

const CREATED = Buffer.from('event: response.created\n');

/** A client. */
export interface FrameSink {
  /** Whether it has gone. */
  readonly gone: boolean;
  /** Gets a run of whole frames, in any pieces. Resolves when it takes more, or has gone. */
  write(frames: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;
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
export async function forwardLog(context: EndWatchContext, sink: FrameSink, options: ForwardOptions): Promise<boolean> {
  const { id, follower, fresh } = options;
  let after = options.after;
  let last: LogMeta | undefined;
  const watch = new EndWatch(context, id);
  for await (const event of follower.events({ fresh })) {
    if (sink.gone) return false;
    switch (event.type) {
      case 'idle':
        if (watch.idle() && (await replay(context, sink, id, after, { behind: last }))) return true;
        break;
      case 'empty':
        // What this reader has had of the log is gone with it: where a projection would go on, it could not follow.
        if (await replay(context, sink, id, after, { anew: after > options.after })) return true;
        break;
      case 'message': {
        const { meta } = event.message;
        watch.heard();
        last = meta;
        if ((await isTorn(event.message, after)) && (await replay(context, sink, id, after))) return true;
        if (meta.last >= meta.first && meta.last > after) await sink.write(framesAfter(event.message, after));
        after = Math.max(after, meta.last);
        if (meta.ended !== null) return true;
        break;
      }
    }
  }
  return false;
}

/** The part of a message that lies after event `after`. */
function framesAfter(message: LazyLogMessage, after: number): AsyncIterable<Uint8Array> {
  const { first } = message.meta;
  return first > after ? message.pieces() : dropFrames(message.pieces(), after - first + 1);
}

/** Whether what should stand before a message has expired. A log that was lost begins anew, and is whole. */
async function isTorn({ meta, pieces }: LazyLogMessage, after: number): Promise<boolean> {
  if (meta.first <= after + 1) return false;
  for await (const piece of pieces()) return !CREATED.equals(piece.subarray(0, CREATED.length));
  return true;
}

/** What stands in for a log: the part behind its last message, or all, with numbers beyond what there was if `anew`. */
interface ReplayOptions {
  behind?: LogMeta | undefined;
  anew?: boolean;
}

/** The stream from the chain, if the response has ended. */
async function replay(
  context: EndWatchContext,
  sink: FrameSink,
  id: ResponseId,
  after: number,
  { behind, anew = false }: ReplayOptions = {},
): Promise<boolean> {
  const stored = await loadResponse(context.database, id);
  if (!stored) {
    // It has been removed under its reader: no event of its own will ever say so.
    const error = errorPayload(errorInfo('response_not_found', { id: publicResponseId(id) }), null);
    await sink.write([Buffer.from(encodeFrame({ type: 'error', error }, after + 1))]);
    return true;
  }
  if (!hasEnded(stored.record)) return false;
  const whole = anew ? replayAnew : replayFrames;
  await sink.write([Buffer.from(behind ? replayRest(stored, behind, after) : whole(stored, after))]);
  return true;
}
