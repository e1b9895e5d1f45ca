/**
 * The wire format of an event: one SSE frame, `event`, `id`, `data` and an empty line, all ended by LF. A log message is a
 * run of whole frames, so it can be forwarded as it is.
 */
import { jsonPieces } from '@tailrace/bus';
import type { ResponseEvent, UnnumberedEvent } from '@tailrace/protocol';

/** A frame that has all but its number. */
export interface OpenFrame {
  type: string;
  /** The JSON of the event's fields, from the first one to the closing brace, in pieces. */
  rest(): Iterable<string>;
  /** Its characters. */
  size: number;
}

/**
 * Events of more characters are not kept as JSON until they are written: the last events of an item tell the same text again
 * and again, and share it.
 */
const KEPT_CHARS = 16 * 1024;

/** An event as a frame, to be numbered when its place is known. */
export function openFrame({ type, ...fields }: UnnumberedEvent): OpenFrame {
  const json = JSON.stringify(fields);
  // Each in a place of its own: whatever one closure needs, all of its function hold.
  return json.length <= KEPT_CHARS ? keptFrame(type, json) : longFrame(type, fields, json.length - 1);
}

function keptFrame(type: string, json: string): OpenFrame {
  const rest = [json.slice(1)];
  return { type, rest: () => rest, size: json.length - 1 };
}

function longFrame(type: string, fields: object, size: number): OpenFrame {
  return { type, rest: () => withoutBrace(jsonPieces(fields)), size };
}

function* withoutBrace(pieces: Iterable<string>): Generator<string> {
  let first = true;
  for (const piece of pieces) {
    yield first ? piece.slice(1) : piece;
    first = false;
  }
}

/** A frame as text, in pieces. */
export function* framePieces({ type, rest }: OpenFrame, sequenceNumber: number): Generator<string> {
  yield frameHead(type, sequenceNumber);
  yield* rest();
  yield FRAME_END;
}

function frameHead(type: string, sequenceNumber: number): string {
  return `event: ${type}\nid: ${sequenceNumber}\ndata: {"type":"${type}","sequence_number":${sequenceNumber},`;
}

const FRAME_END = '\n\n';

/** The bytes of a frame as text. */
export function numberFrame({ type, rest }: OpenFrame, sequenceNumber: number): string {
  let text = frameHead(type, sequenceNumber);
  for (const piece of rest()) text += piece;
  return text + FRAME_END;
}

/** What a frame has beside its type and its fields, with two numbers of 14 digits. */
const FRAME_CHARS = 80;

/** The most characters that a frame comes to, whatever its number. */
export function frameSize({ type, size }: OpenFrame): number {
  return FRAME_CHARS + 2 * type.length + size;
}

/** The bytes of an event's frame as text. */
export function encodeFrame(event: UnnumberedEvent, sequenceNumber: number): string {
  return numberFrame(openFrame(event), sequenceNumber);
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
