/**
 * The names of events as a client knows them. The specification calls the model's thoughts `response.reasoning.*`; OpenAI's
 * clients know `response.reasoning_text.*`, and some of them refuse a name that they do not know. Pure: bytes in, bytes out.
 */

/** Whose names a client is told. */
export type EventNames = 'specification' | 'openai';

const HELPER_HEADER = 'x-stainless-helper-method';
const NAMES_HEADER = 'tailrace-event-names';

/** The names for a request: OpenAI's for the stream helper of its library, and for whoever asks for them. */
export function eventNamesOf(headers: NodeJS.Dict<string | string[]>): EventNames {
  return headers[HELPER_HEADER] === 'stream' || headers[NAMES_HEADER] === 'openai' ? 'openai' : 'specification';
}

const STEM = 'response.reasoning';
const EVENT = Buffer.from(`event: ${STEM}.`);
const TYPE = Buffer.from(`\ndata: {"type":"${STEM}.`);
const ADDED = Buffer.from('_text');
const LF = 0x0a;

/**
 * Whole frames with the names that a client is told. Frames that have no other name there are the same buffer; nothing but
 * names is touched: JSON escapes LF, so what begins a line is never a part of what was said.
 */
export function renameEvents(frames: Uint8Array, names: EventNames): Uint8Array {
  if (names === 'specification') return frames;
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  const places = placesOf(bytes);
  if (places.length === 0) return frames;
  let from = 0;
  const parts: Uint8Array[] = [];
  for (const place of places) {
    parts.push(bytes.subarray(from, place), ADDED);
    from = place;
  }
  return Buffer.concat([...parts, bytes.subarray(from)]);
}

/** Where a name goes on in other words: before its last dot, in both lines of a frame that tell it. */
function placesOf(bytes: Buffer): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(EVENT); at !== -1; at = bytes.indexOf(EVENT, at + EVENT.length)) {
    if (at > 0 && bytes[at - 1] !== LF) continue;
    places.push(at + EVENT.length - 1);
    const type = bytes.indexOf(TYPE, at);
    if (type !== -1) places.push(type + TYPE.length - 1);
  }
  return places;
}

const FRAME_END = Buffer.from('\n\n');
/** Longer than anything in a frame that is renamed, and where it stands. */
const HEAD_BYTES = 256;

/** {@link renameEvents} of a run of whole frames that comes in any pieces, none of which is held for longer than it takes. */
export async function* renamePieces(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  names: EventNames,
): AsyncGenerator<Uint8Array, void> {
  if (names === 'specification') {
    yield* pieces;
    return;
  }
  let held: Buffer = Buffer.alloc(0);
  /** The piece before has ended within a frame, after its head. */
  let within = false;
  for await (const piece of pieces) {
    let rest: Buffer = Buffer.concat([held, piece]);
    if (within) {
      const end = rest.indexOf(FRAME_END);
      // A line end may be the first half of a frame's.
      const upTo = end === -1 ? rest.length - (rest.at(-1) === LF ? 1 : 0) : end + FRAME_END.length;
      yield rest.subarray(0, upTo);
      rest = rest.subarray(upTo);
      within = end === -1;
    }
    if (!within) {
      const whole = rest.lastIndexOf(FRAME_END);
      const begun = whole === -1 ? 0 : whole + FRAME_END.length;
      within = rest.length - begun >= HEAD_BYTES;
      const upTo = within ? rest.length - (rest.at(-1) === LF ? 1 : 0) : begun;
      if (upTo > 0) yield renameEvents(rest.subarray(0, upTo), names);
      rest = rest.subarray(upTo);
    }
    held = rest;
  }
  if (held.length > 0) yield held;
}
