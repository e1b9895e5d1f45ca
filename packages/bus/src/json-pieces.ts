/** JSON piece by piece: a text of megabytes is not held a second time for being written down. */
import { randomUUID } from 'node:crypto';

/** Strings of more UTF-16 units are written in pieces of this many. */
const PIECE_CHARS = 32 * 1024;

/**
 * What `JSON.stringify` makes of a value, in pieces that are made as they are asked for. `value` is only read: it must not
 * change until the last piece has been taken. What is made of no long strings comes in one piece.
 */
export function* jsonPieces(value: unknown): Generator<string, void> {
  const long: string[] = [];
  // Nobody can have said what has just been thought of.
  const mark = randomUUID();
  const skeleton = JSON.stringify(value, (_, field: unknown) => {
    if (typeof field !== 'string' || field.length <= PIECE_CHARS) return field;
    long.push(field);
    return mark;
  });
  if (long.length === 0) {
    yield skeleton;
    return;
  }
  for (const [index, between] of skeleton.split(mark).entries()) {
    yield between;
    yield* escaped(long[index] ?? '');
  }
}

/** A string as JSON has it between its quotes. */
function* escaped(text: string): Generator<string, void> {
  for (let at = 0; at < text.length; ) {
    const end = endOfPiece(text, at + PIECE_CHARS);
    yield JSON.stringify(text.slice(at, end)).slice(1, -1);
    at = end;
  }
}

/** Half of a character would be written as an escape. */
function endOfPiece(text: string, end: number): number {
  return (text.codePointAt(end - 1) ?? 0) > 0xff_ff ? end + 1 : end;
}
