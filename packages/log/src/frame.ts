/**
 * The wire format of an event: one SSE frame, `event`, `id`, `data` and an empty line, all ended by LF. A log message is a
 * run of whole frames, so it can be forwarded as it is.
 */
import type { ResponseEvent, UnnumberedEvent } from '@tailrace/protocol';

/** The bytes of a frame as text. */
export function encodeFrame(event: UnnumberedEvent, sequenceNumber: number): string {
  const { type, ...fields } = event;
  const rest = JSON.stringify(fields).slice(1);
  return `event: ${type}\nid: ${sequenceNumber}\ndata: {"type":"${type}","sequence_number":${sequenceNumber},${rest}\n\n`;
}

/** The frames of consecutive events, the first of which has the number `first`. */
export function encodeFrames(events: readonly UnnumberedEvent[], first: number): string {
  return events.map((event, index) => encodeFrame(event, first + index)).join('');
}

/** The events in a run of frames. Used where a log is read to be understood; gateways never do. */
export function decodeFrames(bytes: Uint8Array): ResponseEvent[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => {
      const data = frame.slice(frame.indexOf('\ndata: ') + 7);
      return JSON.parse(data) as ResponseEvent;
    });
}

const LF = 0x0a;

/**
 * A run of frames, which comes in pieces, without its first `count` frames. JSON escapes line ends, so an empty line is always
 * the end of a frame.
 */
export async function* dropFrames(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  count: number,
): AsyncGenerator<Uint8Array, void> {
  let left = count;
  let lineEnded = false;
  for await (const piece of pieces) {
    let at = 0;
    while (left > 0 && at < piece.length) {
      if (lineEnded && piece[at] === LF) {
        left -= 1;
        at += 1;
        lineEnded = false;
        continue;
      }
      const end = piece.indexOf(LF, at);
      lineEnded = end !== -1;
      at = end === -1 ? piece.length : end + 1;
    }
    if (at < piece.length) yield piece.subarray(at);
  }
}
