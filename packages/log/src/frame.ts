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

/** The run without its first `count` frames. JSON escapes line ends, so an empty line is always the end of a frame. */
export function dropFrames(bytes: Uint8Array, count: number): Uint8Array {
  let at = 0;
  for (let dropped = 0; dropped < count; dropped += 1) {
    let end = bytes.indexOf(LF, at);
    while (end !== -1 && bytes[end + 1] !== LF) end = bytes.indexOf(LF, end + 1);
    if (end === -1) return bytes.subarray(bytes.length);
    at = end + 2;
  }
  return bytes.subarray(at);
}
