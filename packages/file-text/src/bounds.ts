/** How much a file may take. */
export interface FileTextBounds {
  /** Pages of a PDF. */
  pages: number;
  /** UTF-16 code units of text. */
  characters: number;
  /** Milliseconds for the pages of a PDF. */
  pdfMs: number;
  /** Bytes of memory for a PDF: a few kilobytes can unfold to gigabytes. */
  pdfBytes: number;
}

const DEFAULTS: FileTextBounds = { pages: 1000, characters: 10_000_000, pdfMs: 20_000, pdfBytes: 256 * 1024 * 1024 };

/** The bounds that hold where some are not given. */
export function withDefaults(bounds: Partial<FileTextBounds>): FileTextBounds {
  return { ...DEFAULTS, ...bounds };
}
