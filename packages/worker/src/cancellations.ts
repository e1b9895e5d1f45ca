/**
 * Which responses have been cancelled, as far as this process has heard. What it has not heard costs only time: a
 * cancelled response takes no more results, and its log is closed to whoever still writes.
 */
import { type Bus, cancelledSubject, subjectOf } from '@tailrace/bus';
import type { ResponseId } from '@tailrace/protocol';

/** Why a step's signal was aborted: its response has been cancelled. */
export class StepCancelled extends Error {
  constructor(id: ResponseId) {
    super(`response ${id} has been cancelled`);
    this.name = 'StepCancelled';
  }
}

/** The most cancelled responses that a process remembers, for work of theirs that is still queued. */
const REMEMBERED = 10_000;

/** See the file's head. */
export class Cancellations {
  readonly #heard = new Set<ResponseId>();
  readonly #running = new Map<ResponseId, Set<AbortController>>();
  readonly #stop: () => void;

  constructor(bus: Bus) {
    const subscription = bus.nc.subscribe(cancelledSubject('*'), {
      callback: (error, message) => {
        if (error === null) this.#hear(subjectOf(message.subject));
      },
    });
    this.#stop = () => subscription.unsubscribe();
  }

  /**
   * Runs work of a response under a signal that is aborted with {@link StepCancelled} when the response is cancelled, or
   * with the reason of `outer`. Work of a response that has been cancelled before begins aborted.
   */
  async during<T>(id: ResponseId, outer: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const running = this.#running.get(id) ?? new Set();
    this.#running.set(id, running.add(controller));
    if (this.#heard.has(id)) controller.abort(new StepCancelled(id));
    try {
      return await work(AbortSignal.any([outer, controller.signal]));
    } finally {
      running.delete(controller);
      if (running.size === 0) this.#running.delete(id);
    }
  }

  close(): void {
    this.#stop();
  }

  #hear(id: ResponseId): void {
    this.#heard.add(id);
    for (const controller of this.#running.get(id) ?? []) controller.abort(new StepCancelled(id));
    if (this.#heard.size <= REMEMBERED) return;
    const [oldest] = this.#heard;
    if (oldest !== undefined) this.#heard.delete(oldest);
  }
}
