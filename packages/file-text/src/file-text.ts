import { type FileTextBounds, withDefaults } from './bounds.ts';
import { fileType, type SentFile } from './file-type.ts';
import { pdfText } from './pdf-text.ts';
import { UnreadableFile } from './unreadable-file.ts';

/** What a file says. */
export interface FileText {
  text: string;
  /** What the file is, as far as its bytes, its sender and its name tell. */
  mediaType: string;
}

/**
 * Reads the text of a file. Text is UTF-8; the pages of a PDF are set apart by empty lines, and a PDF of pictures alone has
 * an empty text.
 * @throws UnreadableFile
 */
export async function textOfFile(file: SentFile, bounds: Partial<FileTextBounds> = {}): Promise<FileText> {
  const effective = withDefaults(bounds);
  const type = fileType(file);
  switch (type?.kind) {
    case 'pdf':
      return { text: await pdfText(file.bytes, effective), mediaType: type.mediaType };
    case 'text':
      return { text: utf8Text(file.bytes, effective.characters), mediaType: type.mediaType };
    case undefined:
      throw new UnreadableFile('unsupported_type');
  }
}

/** UTF-8 takes at most so many bytes for one UTF-16 code unit. */
const BYTES_PER_CHARACTER = 3;

function utf8Text(bytes: Uint8Array, characters: number): string {
  if (bytes.byteLength > characters * BYTES_PER_CHARACTER) throw new UnreadableFile('too_large');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new UnreadableFile('not_utf8', error);
  }
  // No text has NUL, whatever it is called; UTF-16 and most binary files do.
  if (text.includes('\0')) throw new UnreadableFile('not_utf8');
  if (text.length > characters) throw new UnreadableFile('too_large');
  return text;
}
