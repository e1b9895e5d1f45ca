import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const PRELOAD = new URL('./clock-preload.ts', import.meta.url);

/** The wall clocks of the services' processes, each of which can be set wrong. */
export class Clocks {
  readonly #dir: string;

  /** @param dir a folder of its own. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** What a process needs in its environment. */
  envFor(process: string): Record<string, string> {
    return { CHAOS_CLOCK_FILE: this.#fileOf(process), NODE_OPTIONS: nodeOptions() };
  }

  /** Sets a process's clock that many milliseconds ahead of the true time (behind it, when negative; 0: right). */
  async set(process: string, offsetMs: number): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    const file = this.#fileOf(process);
    // Whoever reads it finds all of it.
    await writeFile(`${file}.new`, String(offsetMs));
    await rename(`${file}.new`, file);
  }

  #fileOf(process: string): string {
    return join(this.#dir, process.replaceAll(' ', '-'));
  }
}

function nodeOptions(): string {
  return [process.env.NODE_OPTIONS, `--import=${PRELOAD.href}`].filter(Boolean).join(' ');
}
