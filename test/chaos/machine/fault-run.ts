/** Injects the faults of a schedule, each at its time, and heals them. */
import type { FaultRecord } from './record/index.ts';
import { epochMs, sleep } from './workload/index.ts';

/** A fault that is to come; milliseconds after the schedule's beginning. */
export interface Planned {
  at: number;
  until: number;
  kind: string;
  target: string;
}

/** Faults that are there. */
export interface Underway {
  /** Heals all of them at once; their records when that is done. */
  heal(): Promise<FaultRecord[]>;
}

/** How the faults of a run are made. */
export interface FaultRunOptions<P extends Planned> {
  schedule: readonly P[];
  /** Injects faults that come at once. */
  inflict(faults: readonly P[]): Promise<Underway>;
  log(line: string): void;
}

/** A system that has had its time to recover from the last fault gets at least so much of it, also when a heal took long. */
const PAUSE_MS = 2_000;

/** A schedule under way. */
export class FaultRun<P extends Planned> {
  /** Of the faults that are healed, in the order of their beginnings. */
  readonly records: FaultRecord[] = [];
  /** Why heals have failed: what they hit did not come back. */
  readonly failures: { faults: readonly P[]; reason: unknown }[] = [];
  readonly #options: FaultRunOptions<P>;
  readonly #over = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: FaultRunOptions<P>) {
    this.#options = options;
    this.#running = this.#run();
    // A failure is told by ended() and stop().
    void Promise.allSettled([this.#running]);
  }

  /** Resolves once every fault of the schedule has been healed. @throws whatever an injection has failed by. */
  ended(): Promise<void> {
    return this.#running;
  }

  /** Begins no other fault; resolves once those under way are healed, each at its time. @throws as {@link ended}. */
  async stop(): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const began = epochMs();
    const slots = [...Map.groupBy(this.#options.schedule, ({ at }) => at)].sort(([a], [b]) => a - b);
    let healed = began - PAUSE_MS;
    for (const [at, faults] of slots) {
      if (!(await this.#until(Math.max(began + at, healed + PAUSE_MS)))) return;
      await this.#suffer(faults);
      healed = epochMs();
    }
  }

  async #suffer(faults: readonly P[]): Promise<void> {
    const { inflict, log } = this.#options;
    const names = faults.map(({ kind, target }) => `${kind} (${target})`).join(', ');
    const began = epochMs();
    log(names);
    const underway = await inflict(faults);
    const ms = Math.max(...faults.map(({ at, until }) => until - at)) - (epochMs() - began);
    // What has begun is healed at its time, whatever else ends.
    await sleep(Math.max(0, ms), new AbortController().signal);
    const healing = epochMs();
    try {
      this.records.push(...(await underway.heal()));
      log(`${names}: healed within ${Math.round(epochMs() - healing)} ms`);
    } catch (reason) {
      this.failures.push({ faults, reason });
      for (const { kind, target } of faults) this.records.push({ kind, target, from: began, to: epochMs() });
      log(`${names}: not healed: ${reason}`);
    }
  }

  /** False when the schedule was stopped first. */
  async #until(time: number): Promise<boolean> {
    const { signal } = this.#over;
    if (signal.aborted) return false;
    try {
      await sleep(Math.max(0, time - epochMs()), signal);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  }
}
