/** The body of a request as it is sent: made while it goes, so that a prompt of megabytes is held once. */
import { Readable } from 'node:stream';
import { jsonPieces } from '@tailrace/bus';

/** What is sent at once. */
const SENT_BYTES = 64 * 1024;

/** A value as JSON, with the length that it is announced with. `value` must not change until it is sent. */
export function jsonBody(value: object): { length: number; body: Buffer | Readable } {
  const json = JSON.stringify(value);
  const length = Buffer.byteLength(json);
  return { length, body: length <= SENT_BYTES ? Buffer.from(json) : streamed(value) };
}

/** Whoever has sent it holds the stream until there is an answer: it has let go of everything by then. */
function streamed(value: object): Readable {
  let left: Iterator<Buffer> | undefined = gathered(jsonPieces(value));
  return new Readable({
    read() {
      const next = left?.next();
      if (next?.done !== false) left = undefined;
      this.push(next?.value ?? null);
    },
  });
}

/** The same in pieces of which none is very small, and none very large. */
function* gathered(pieces: Iterator<string>): Generator<Buffer, void> {
  let text = '';
  for (let next = pieces.next(); !next.done; next = pieces.next()) {
    text += next.value;
    if (text.length < SENT_BYTES) continue;
    const bytes = Buffer.from(text);
    text = '';
    for (let at = 0; at < bytes.length; at += SENT_BYTES) yield bytes.subarray(at, at + SENT_BYTES);
  }
  if (text !== '') yield Buffer.from(text);
}
