import type { IncomingMessage } from 'node:http';

/** A request's JSON, or the HTTP status and message of what is wrong with it. */
export type JsonBody = { ok: true; text: string; value: unknown } | { ok: false; status: 400 | 413; message: string };

/**
 * Reads a JSON body of at most `maxBytes`. A larger one is read on without being kept, up to twice as much, so that its
 * sender is done sending and hears the answer. Rejects only when the connection fails.
 */
export async function readJsonBody(request: IncomingMessage, maxBytes: number): Promise<JsonBody> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes <= maxBytes) pieces.push(piece);
    else pieces = [];
    if (bytes > 2 * maxBytes) break;
  }
  if (bytes > maxBytes) return { ok: false, status: 413, message: `The body is larger than ${maxBytes} bytes.` };
  const text = Buffer.concat(pieces).toString();
  try {
    return { ok: true, text, value: JSON.parse(text) };
  } catch (error) {
    return { ok: false, status: 400, message: `The body is not valid JSON: ${(error as SyntaxError).message}` };
  }
}
