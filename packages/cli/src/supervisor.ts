import { setTimeout as sleep } from 'node:timers/promises';
import { type ExitStatus, type Log, signalTo } from '@tailrace/infra';
import { nextDelay } from './back-off.ts';
import type { Role } from './role.ts';
import { describeExit, type Running } from './running.ts';

const ENDING: ReadonlySet<NodeJS.Signals> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP']);

/** One process of a stack, as it is to be run. */
export interface Unit {
  readonly role: Role;
  /** Its number among those of its role, from 0. */
  readonly index: number;
  /** Starts it and resolves once it is ready; starting it again means the same address. */
  launch(signal: AbortSignal): Promise<Running>;
  /** Its HTTP address, for those that have one. */
  url?(): string | undefined;
}

/** How a process is looked after. */
export interface SupervisorOptions {
  /** Whether it is started again when it ends by itself. */
  readonly restart: boolean;
  /** Called whenever {@link Supervisor.pid} has changed. */
  readonly onChange: () => void;
  readonly log: Log;
}

/** Keeps one process running: starts it, starts it again with back-off when it ends, and stops it. */
export class Supervisor {
  readonly unit: Unit;
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  #current: Running | undefined;
  #launching: Promise<void> | undefined;
  #ready = Promise.withResolvers<void>();

  constructor(unit: Unit, options: SupervisorOptions) {
    this.unit = unit;
    this.#options = options;
    this.#expectNobody();
  }

  /** The process that is ready now; undefined while there is none. */
  get pid(): number | undefined {
    return this.#current?.pid;
  }

  /** Name for people: `gateway 0`. */
  get name(): string {
    return `${this.unit.role} ${this.unit.index}`;
  }

  /**
   * Starts the process and resolves once it is ready. Does nothing more when it is up or being started.
   *
   * @throws whatever kept it from becoming ready; it is not tried again then.
   */
  start(): Promise<void> {
    if (this.#current !== undefined) return Promise.resolve();
    this.#launching ??= this.#launch().finally(() => {
      this.#launching = undefined;
    });
    return this.#launching;
  }

  /** Resolves once the process is up and ready. @throws when it is stopped for good. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /**
   * Sends a signal to the process that is up; resolves once it has ended if the signal is one that ends it, else at once.
   *
   * @throws Error when there is no such process.
   */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const running = this.#current;
    if (running === undefined) throw new Error(`${this.name} is not running`);
    signalTo(running.pid, signal);
    if (ENDING.has(signal)) await running.exited;
  }

  /** Stops the process for good. Any number of calls. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error(`${this.name} is stopped`));
    this.#ready.reject(this.#stopping.signal.reason);
    // A start that is under way ends by the abort, and says so to whoever asked for it.
    await Promise.allSettled([this.#launching]);
    await this.#current?.stop();
  }

  async #launch(): Promise<void> {
    const running = await this.unit.launch(this.#stopping.signal);
    const since = performance.now();
    this.#current = running;
    void running.exited.then((status) => this.#onExit(status, performance.now() - since));
    this.#options.onChange();
    this.#ready.resolve();
  }

  /** Nobody may be waiting when a stop rejects the promise of readiness; whoever is hears of it all the same. */
  #expectNobody(): void {
    void Promise.allSettled([this.#ready.promise]);
  }

  #delayMs = 0;

  #onExit(status: ExitStatus, upMs: number): void {
    this.#current = undefined;
    if (this.#stopping.signal.aborted) return;
    this.#ready = Promise.withResolvers<void>();
    this.#expectNobody();
    this.#options.onChange();
    this.#options.log(`${this.name} has ended (${describeExit(status)})`);
    if (this.#options.restart) void this.#startAgain(upMs);
  }

  async #startAgain(upMs: number): Promise<void> {
    let lastedMs = upMs;
    while (!this.#stopping.signal.aborted && this.#current === undefined) {
      this.#delayMs = nextDelay(this.#delayMs, lastedMs);
      lastedMs = 0;
      try {
        await sleep(this.#delayMs, undefined, { signal: this.#stopping.signal });
        await this.start();
        this.#options.log(`${this.name} is up again (process ${this.pid})`);
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#options.log(`${this.name} could not be started: ${error instanceof Error ? error.message : error}`);
      }
    }
  }
}
