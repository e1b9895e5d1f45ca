/**
 * Why a file has no text. `unsupported_type`: neither PDF nor text. `too_large`: more pages, characters, time or memory than
 * it may take.
 */
export type UnreadableReason = 'unsupported_type' | 'not_utf8' | 'not_base64' | 'broken_pdf' | 'too_large';

/** A file that cannot be read as text. */
export class UnreadableFile extends Error {
  readonly reason: UnreadableReason;

  constructor(reason: UnreadableReason, cause?: unknown) {
    super(`the file has no text: ${reason.replaceAll('_', ' ')}`, { cause });
    this.name = 'UnreadableFile';
    this.reason = reason;
  }
}
