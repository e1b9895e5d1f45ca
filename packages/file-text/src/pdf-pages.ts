/**
 * Runs in a thread of its own, for one PDF: `pdf-text.ts` starts it, watches what it takes, and ends it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { getDocumentProxy } from 'unpdf';

/** The PDF, and how much of it may be read. */
export interface PdfPagesInput {
  bytes: Uint8Array;
  pages: number;
  characters: number;
}

/** What became of it. */
export type PdfPagesOutcome =
  | { kind: 'text'; text: string }
  | { kind: 'too_large' }
  | { kind: 'broken'; reason: string };

/** Warnings of the library would go to this process's output; zero is errors only. */
const ERRORS_ONLY = 0;

async function readPages({ bytes, pages, characters }: PdfPagesInput): Promise<PdfPagesOutcome> {
  const document = await getDocumentProxy(bytes, {
    verbosity: ERRORS_ONLY,
    disableFontFace: true,
    useSystemFonts: false,
    enableXfa: false,
  });
  if (document.numPages > pages) return { kind: 'too_large' };
  const texts: string[] = [];
  let size = 0;
  for (let number = 1; number <= document.numPages; number += 1) {
    const page = await document.getPage(number);
    const { items } = await page.getTextContent();
    const text = items.map((item) => ('str' in item ? `${item.str}${item.hasEOL ? '\n' : ''}` : '')).join('');
    size += text.length;
    if (size > characters) return { kind: 'too_large' };
    texts.push(text);
    page.cleanup();
  }
  // Fonts map what they have no character for to NUL.
  return { kind: 'text', text: texts.join('\n\n').replaceAll('\0', '') };
}

/** Whatever the library throws is about the PDF; its errors are not all such that they could be sent. */
const outcome = await readPages(workerData as PdfPagesInput).catch(
  (error: unknown): PdfPagesOutcome => ({ kind: 'broken', reason: String(error) }),
);
parentPort?.postMessage(outcome);
