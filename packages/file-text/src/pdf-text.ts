import { Worker } from 'node:worker_threads';
import type { FileTextBounds } from './bounds.ts';
import type { PdfPagesInput, PdfPagesOutcome } from './pdf-pages.ts';
import { Turns } from './turns.ts';
import { UnreadableFile } from './unreadable-file.ts';

/** PDFs of this process that are read at once: each takes a thread, and up to its bound of memory. */
const turns = new Turns(2);

/**
 * The text of a PDF's pages. They are read in a thread of their own, which alone can be stopped whatever it is at.
 * @throws UnreadableFile `broken_pdf`, `too_large`
 */
export async function pdfText(bytes: Uint8Array, bounds: FileTextBounds): Promise<string> {
  return turns.take(async () => {
    const { pages, characters, pdfMs, pdfBytes } = bounds;
    const worker = new Worker(new URL('./pdf-pages.ts', import.meta.url), {
      workerData: { bytes, pages, characters } satisfies PdfPagesInput,
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(pdfBytes / 1024 ** 2) },
    });
    try {
      const outcome = await outcomeOf(worker, pdfMs, pdfBytes);
      switch (outcome.kind) {
        case 'text':
          return outcome.text;
        case 'too_large':
          throw new UnreadableFile('too_large');
        case 'broken':
          throw new UnreadableFile('broken_pdf', outcome.reason);
      }
    } finally {
      await worker.terminate();
    }
  });
}

function outcomeOf(worker: Worker, ms: number, bytes: number): Promise<PdfPagesOutcome> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle({ kind: 'too_large' }), ms);
    const watch = watchMemory(worker, bytes, () => settle({ kind: 'too_large' }), reject);
    const settle = (outcome: PdfPagesOutcome) => {
      clearTimeout(timer);
      clearInterval(watch);
      resolve(outcome);
    };
    worker.once('message', settle);
    worker.once('error', (error) => {
      settle(
        hasCode(error, 'ERR_WORKER_OUT_OF_MEMORY') ? { kind: 'too_large' } : { kind: 'broken', reason: String(error) },
      );
    });
    worker.once('exit', (code) => settle({ kind: 'broken', reason: `the reader ended with ${code}` }));
  });
}

/** Milliseconds between two looks at the memory of a thread. */
const WATCH_MS = 25;

/** The limits of a thread's heap leave out what is in buffers, which is where a stream of a PDF unfolds. */
function watchMemory(
  worker: Worker,
  bytes: number,
  exceeded: () => void,
  failed: (error: unknown) => void,
): NodeJS.Timeout {
  return setInterval(() => {
    worker.getHeapStatistics().then(
      ({ used_heap_size, external_memory }) => {
        if (used_heap_size + external_memory > bytes) exceeded();
      },
      (error: unknown) => {
        // It has ended meanwhile, and says itself how.
        if (!hasCode(error, 'ERR_WORKER_NOT_RUNNING')) failed(error);
      },
    );
  }, WATCH_MS);
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
