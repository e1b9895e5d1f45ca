import type { Bus } from '@tailrace/bus';
import { type Database, readRegistry } from '@tailrace/database';
import { publishRegistry } from '@tailrace/registry';

/** Tells every service how the registry stands. Any number of processes may do so at once: the newest wins. */
export class RegistryPublisher {
  readonly #bus: Bus;
  readonly #database: Database;
  #running: Promise<void> | undefined;
  #waiting: Promise<void> | undefined;

  constructor(bus: Bus, database: Database) {
    this.#bus = bus;
    this.#database = database;
  }

  /** Resolves when what was committed before the call has been published. Calls that wait together are one. */
  publish(): Promise<void> {
    // The one that has begun may have read before that.
    this.#waiting ??= this.#begin();
    return this.#waiting;
  }

  async #begin(): Promise<void> {
    await Promise.allSettled([this.#running]);
    this.#waiting = undefined;
    this.#running = this.#publish();
    return this.#running;
  }

  async #publish(): Promise<void> {
    await publishRegistry(this.#bus, await readRegistry(this.#database));
  }
}
