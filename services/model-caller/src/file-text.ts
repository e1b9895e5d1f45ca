import type { InputFile } from '@tailrace/protocol';

/** A file as text for the model: its name, and what the server has read out of it. */
export function fileText({ filename, text }: InputFile): string {
  return `File "${filename ?? 'unnamed'}":\n${text ?? ''}`;
}
