/** The whole workload: many responses, so many at once. */
import type { ResponseRecord } from '../record/index.ts';
import { type PlanOptions, planResponse, type ResponsePlan } from './plan.ts';
import { readAgain, runResponse } from './response-run.ts';
import type { World } from './world.ts';

/** How much there is to do. */
export interface WorkloadOptions extends PlanOptions {
  responses: number;
  /** Responses at once. */
  concurrency: number;
  /** Whether new responses are still begun. */
  goesOn: () => boolean;
}

/** A workload under way. */
export class Workload {
  readonly #world: World;
  readonly #options: WorkloadOptions;
  readonly #finished: { plan: ResponsePlan; record: ResponseRecord }[] = [];
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

  /** Resolves when all are finished, or the run is over. */
  async run(): Promise<void> {
    await this.#atOnce(this.#options.concurrency, async () => {
      if (this.#begun >= this.#options.responses || this.#world.signal.aborted || !this.#options.goesOn()) return false;
      const plan = planResponse(this.#options, this.#begun);
      this.#begun += 1;
      this.#finished.push({ plan, record: await runResponse(this.#world, plan) });
      return true;
    });
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
