/** What a client is told over a WebSocket: events as they stand in the log, and errors. Pure. */
import { type ApiError, toEnvelope } from '@tailrace/protocol';

const ERROR = Buffer.from('event: error\n');
const DATA = Buffer.from('\ndata: ');
const END = Buffer.from('\n\n');

/**
 * The JSON of each event in whole frames, byte for byte. The `error` event is left out: over a WebSocket an error stands for
 * a request that came to nothing, and `response.failed`, which follows, says the same.
 */
export function* eventMessages(frames: Uint8Array): Generator<Uint8Array> {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  for (let from = 0; from < bytes.length; ) {
    // JSON escapes line ends: an empty line ends the frame, and the first line that begins with `data:` is its data.
    const end = bytes.indexOf(END, from);
    if (end === -1) throw new Error('a frame without an end');
    const data = bytes.indexOf(DATA, from);
    if (data === -1 || data > end) throw new Error('a frame without data');
    if (!ERROR.equals(bytes.subarray(from, from + ERROR.length))) yield bytes.subarray(data + DATA.length, end);
    from = end + END.length;
  }
}

/** A request that came to nothing (specification: WebSocketErrorEvent). */
export function errorMessage(error: ApiError): string {
  return JSON.stringify({ type: 'error', status: error.status, ...toEnvelope(error) });
}
