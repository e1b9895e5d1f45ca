import { closeSync, openSync } from 'node:fs';
import { open, rename, stat } from 'node:fs/promises';

const TAIL_BYTES = 8_192;

/** A log file opened for a child process. */
export interface LogFile {
  readonly path: string;
  readonly fd: number;
  /** Closes this process's end; a child that has the file goes on writing. */
  close(): void;
}

/**
 * Opens a log file for a child to append to. A file beyond `maxBytes` is first moved to `<path>.1`, in the place of an
 * older one, so that starts never pile logs up.
 */
export async function openLogFile(path: string, maxBytes = 8 * 1024 * 1024): Promise<LogFile> {
  const size = await sizeOf(path);
  if (size > maxBytes) await rename(path, `${path}.1`);
  const fd = openSync(path, 'a', 0o600);
  return { path, fd, close: () => closeSync(fd) };
}

/** The last lines of a text file, at most `lines` and 8 KiB of them; an empty string when there is no file. */
export async function tailOf(path: string, lines = 20): Promise<string> {
  const size = await sizeOf(path);
  if (size === 0) return '';
  const file = await open(path, 'r');
  try {
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    return buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
