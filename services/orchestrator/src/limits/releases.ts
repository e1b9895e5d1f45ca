/** The calls whose places are to be free: gathered while a statement runs, and freed together by the next one. */
import type { OrchestratorContext } from '../context.ts';
import { releaseCalls } from './settlement.ts';

/** See the file's head. */
export class Releases {
  readonly #context: Pick<OrchestratorContext, 'database' | 'log'>;
  readonly #most: number;
  #waiting = new Set<string>();
  #running: Promise<void> | undefined;

  /** `most` calls may wait at once. */
  constructor(context: Pick<OrchestratorContext, 'database' | 'log'>, most: number) {
    this.#context = context;
    this.#most = most;
  }

  /** A call that nobody releases loses its place by itself, in time. */
  add(id: string): void {
    if (this.#waiting.size >= this.#most) {
      this.#context.log.warn({ call_id: id }, 'too many calls are being released; this one keeps its place for now');
      return;
    }
    this.#waiting.add(id);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when all that were added are released. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { database, log } = this.#context;
    while (this.#waiting.size > 0) {
      const ids = [...this.#waiting];
      this.#waiting = new Set();
      try {
        await releaseCalls(database, ids);
      } catch (error) {
        log.warn({ err: error, calls: ids.length }, 'calls could not be released; they keep their places for now');
      }
    }
  }
}
