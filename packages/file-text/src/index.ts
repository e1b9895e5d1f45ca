/** What a file says, as text for a model that reads nothing else. */
export type { FileTextBounds } from './bounds.ts';
export { decodeFileData, type FileData } from './file-data.ts';
export { type FileText, textOfFile } from './file-text.ts';
export type { SentFile } from './file-type.ts';
export { UnreadableFile, type UnreadableReason } from './unreadable-file.ts';
