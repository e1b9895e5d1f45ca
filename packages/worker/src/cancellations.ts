/**
 * Which responses, and which steps of agents whose time is up, are being cancelled, as far as this process has heard. It
 * aborts what is running. Whether the cancelling was committed, and whether the response has been made anew since, nobody has
 * said: work that comes later is asked about before it is dropped. What this process has not heard costs only time: a
 * cancelled response takes no more results, and its log is closed to whoever still writes.
 */
import { type Bus, cancelledSubject, subjectOf, subscribe } from '@tailrace/bus';
import type { ResponseId, StepId } from '@tailrace/protocol';

type Cancelled = ResponseId | StepId;

/** Why a step's signal was aborted: it is being cancelled, or its response is. */
export class StepCancelled extends Error {
  constructor(id: Cancelled) {
    super(`${id} has been cancelled`);
    this.name = 'StepCancelled';
  }
}

/** The most cancelled ones that a process remembers, for work of theirs that is still queued. */
const REMEMBERED = 10_000;

/** See the file's head. */
export class Cancellations {
  readonly #heard = new Set<Cancelled>();
  readonly #running = new Map<Cancelled, Set<AbortController>>();
  readonly #stop: () => void;

  constructor(bus: Bus) {
    const subscription = subscribe(bus, cancelledSubject('*'), ({ subject }) => this.#hear(subjectOf(subject)));
    this.#stop = () => subscription.unsubscribe();
  }

  /** Whether a response or a step may have been cancelled. */
  has(id: Cancelled): boolean {
    return this.#heard.has(id);
  }

  /** It has been found out that it is cancelled, where nothing was heard. */
  found(id: Cancelled): void {
    this.#hear(id);
  }

  /** They have been seen to go on. */
  forget(ids: readonly Cancelled[]): void {
    for (const id of ids) this.#heard.delete(id);
  }

  /**
   * Runs work under a signal that is aborted with {@link StepCancelled} when it is heard that one of these is cancelled, or with
   * the reason of `outer`. What was heard before does not abort it: see {@link has}.
   */
  async during<T>(
    ids: readonly Cancelled[],
    outer: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    for (const id of ids) this.#running.set(id, (this.#running.get(id) ?? new Set()).add(controller));
    try {
      return await work(AbortSignal.any([outer, controller.signal]));
    } finally {
      for (const id of ids) this.#leave(id, controller);
    }
  }

  close(): void {
    this.#stop();
  }

  #leave(id: Cancelled, controller: AbortController): void {
    const running = this.#running.get(id);
    running?.delete(controller);
    if (running?.size === 0) this.#running.delete(id);
  }

  #hear(id: Cancelled): void {
    this.#heard.add(id);
    for (const controller of this.#running.get(id) ?? []) controller.abort(new StepCancelled(id));
    if (this.#heard.size <= REMEMBERED) return;
    const [oldest] = this.#heard;
    if (oldest !== undefined) this.#heard.delete(oldest);
  }
}
