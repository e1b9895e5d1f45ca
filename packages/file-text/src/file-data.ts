import { UnreadableFile } from './unreadable-file.ts';

/** A file's bytes, and what they are said to be. */
export interface FileData {
  bytes: Uint8Array;
  mediaType: string | null;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * The file in a data URL, or in base64 alone.
 * @throws UnreadableFile `not_base64`
 */
export function decodeFileData(data: string): FileData {
  if (!/^data:/i.test(data)) return { bytes: decodeBase64(data), mediaType: null };
  const comma = data.indexOf(',');
  if (comma === -1) throw new UnreadableFile('not_base64');
  const [mediaType = '', ...parameters] = data.slice('data:'.length, comma).toLowerCase().split(';');
  if (parameters.at(-1)?.trim() !== 'base64') throw new UnreadableFile('not_base64');
  return { bytes: decodeBase64(data.slice(comma + 1)), mediaType: mediaType.trim() || null };
}

/** Only what an encoder writes: `Buffer` alone would leave out what it does not know, and make a file of anything. */
function decodeBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0 || !BASE64.test(text)) throw new UnreadableFile('not_base64');
  const end = text.slice(-4);
  if (Buffer.from(end, 'base64').toString('base64') !== end) throw new UnreadableFile('not_base64');
  return Buffer.from(text, 'base64');
}
