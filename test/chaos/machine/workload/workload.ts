/** The whole workload: many responses, so many at once. */
import type { ResponseRecord } from '../record/index.ts';
import { epochMs, sleep } from './clock.ts';
import { type PlanOptions, planResponse, type ResponsePlan } from './plan.ts';
import { readAgain, runResponse } from './response-run.ts';
import type { World } from './world.ts';

/** How much there is to do. */
export interface WorkloadOptions extends PlanOptions {
  responses: number;
  /** Responses at once. */
  concurrency: number;
  /** They are begun so far apart, milliseconds, unless there are too many at once. */
  everyMs: number;
}

/** A workload under way. */
export class Workload {
  readonly #world: World;
  readonly #options: WorkloadOptions;
  readonly #finished: { plan: ResponsePlan; record: ResponseRecord }[] = [];
  readonly #allBegun = Promise.withResolvers<void>();
  #planned = 0;
  #begun = 0;

  constructor(world: World, options: WorkloadOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** Responses that were begun. */
  get begun(): number {
    return this.#begun;
  }

  /** The records of those that are finished, in that order. */
  get records(): ResponseRecord[] {
    return this.#finished.map(({ record }) => record);
  }

  /** Resolves when no other response will be begun. */
  get allBegun(): Promise<void> {
    return this.#allBegun.promise;
  }

  /** Resolves when all are finished, or the run is over. */
  async run(): Promise<void> {
    const { responses, concurrency, everyMs } = this.#options;
    const { signal } = this.#world;
    const began = epochMs();
    await this.#atOnce(concurrency, async () => {
      const index = this.#planned;
      const due = began + index * everyMs;
      if (index >= responses || signal.aborted) {
        if (this.#begun === this.#planned) this.#allBegun.resolve();
        return false;
      }
      this.#planned += 1;
      await sleep(Math.max(0, due - epochMs()), signal);
      const plan = planResponse(this.#options, index);
      this.#begun += 1;
      this.#finished.push({ plan, record: await runResponse(this.#world, plan) });
      return true;
    });
    this.#allBegun.resolve();
  }

  /** Reads every response once more, now that everything has come to rest. */
  async readAll(world: World): Promise<void> {
    const left = this.#finished.filter(({ record }) => isKept(record));
    await this.#atOnce(Math.min(16, this.#options.concurrency), async () => {
      const next = left.pop();
      if (next !== undefined) await readAgain(world, next.plan, next.record);
      return next !== undefined;
    });
  }

  async #atOnce(count: number, step: () => Promise<boolean>): Promise<void> {
    const lanes = Array.from({ length: count }, async () => {
      while (await step());
    });
    await Promise.all(lanes);
  }
}

/** Whether a response can be read by its id as long as it is not deleted. */
function isKept({ request, deletedAt }: ResponseRecord): boolean {
  return deletedAt === undefined && request.store !== false;
}
