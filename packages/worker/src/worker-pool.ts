/** What the workers share: a queue for each source of work, registered or left behind, and the steps that come in it. */
import { WORK_STREAM, type Work, type WorkSource, workDurable, workFilter } from '@tailrace/bus';
import type { RegistryView, RegistryWatch } from '@tailrace/registry';
import { LeftQueues, type LimitedSource } from './left-queues.ts';
import { ServedQueue } from './served-queue.ts';
import { StepRunner, type StepRunnerOptions } from './step-runner.ts';

/** How a kind of work is done. */
export interface WorkerPoolOptions<W extends Work> extends StepRunnerOptions<W> {
  registry: Pick<RegistryWatch, 'onChange'>;
  /** The most steps of one source under way in this process. */
  limit: number;
  ackWaitMs: number;
  maxDeliver: number;
  redeliverMs: number;
  redeliverMaxMs: number;
  /** The kinds of sources whose work is done here. */
  kinds: readonly WorkSource['kind'][];
  sources(view: RegistryView): LimitedSource[];
}

/** Milliseconds between looks for work of sources that are not registered. */
const LOOK_MS = 1_500;
/** How many looks in a row find the queue of such a source empty before it is left. */
const EMPTY_LOOKS = 40;

/** See the file's head. */
export class WorkerPool<W extends Work> {
  readonly #options: WorkerPoolOptions<W>;
  readonly #runner: StepRunner<W>;
  readonly #left: LeftQueues;
  readonly #queues = new Map<string, ServedQueue>();
  /** The looks that have found the queue of a source empty that is not registered. */
  readonly #empty = new Map<string, number>();
  #registered: ReadonlySet<string> | undefined;
  #nextLook: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: WorkerPoolOptions<W>) {
    this.#options = options;
    this.#runner = new StepRunner(options);
    this.#left = new LeftQueues(options.bus, options.kinds);
    options.registry.onChange((view) => this.#follow(view));
    this.#lookLater();
  }

  /** Resolves when the queues of the present registry are being worked on, or it has been tried. */
  async ready(): Promise<void> {
    await Promise.all([...this.#queues.values()].map(({ tried }) => tried));
  }

  /** How many steps are under way. */
  get active(): number {
    return [...this.#queues.values()].reduce((sum, { active }) => sum + active, 0);
  }

  /** Takes no more steps; those under way have `drainMs`, then they go to others. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#nextLook);
    await Promise.all([...this.#queues.values()].map((queue) => queue.stop(drainMs)));
    this.#runner.close();
  }

  /** The queue of a source that has been removed is served on. */
  #follow(view: RegistryView): void {
    if (this.#stopping) return;
    const sources = this.#options.sources(view);
    this.#registered = new Set(sources.map(({ source }) => workDurable(source)));
    for (const source of sources) this.#serve(source);
  }

  #serve({ source, concurrency }: LimitedSource): void {
    const durable = workDurable(source);
    const served = this.#queues.get(durable);
    if (served) served.limitTo(concurrency);
    else this.#queues.set(durable, this.#queueOf(source, concurrency));
  }

  #queueOf(source: WorkSource, concurrency: number): ServedQueue {
    const { bus, log, limit, ackWaitMs, maxDeliver, redeliverMs, redeliverMaxMs } = this.#options;
    return new ServedQueue(bus, {
      stream: WORK_STREAM,
      durable: workDurable(source),
      filter: workFilter(source),
      maxAckPending: concurrency,
      ackWaitMs,
      maxDeliver,
      limit,
      redeliverMs,
      redeliverMaxMs,
      handle: (message, signal) => this.#runner.handle(message, signal),
      onError: (error, message) =>
        log.warn({ err: error, subject: message?.subject }, 'a step goes to another attempt'),
      onTrouble: (error) => log.error({ err: error, source }, 'a queue cannot be worked on; it is tried again'),
    });
  }

  #lookLater(): void {
    this.#nextLook = setTimeout(() => {
      this.#look()
        .catch((error: unknown) => this.#options.log.warn({ err: error }, 'work of removed sources was not looked for'))
        .finally(() => {
          if (!this.#stopping) this.#lookLater();
        });
    }, LOOK_MS);
  }

  /** What is in the stream tells which queues there are: work may come after its source has gone, and outlives processes. */
  async #look(): Promise<void> {
    // Before the registry has arrived, nothing is registered.
    if (this.#registered === undefined || !this.#options.bus.connected()) return;
    const queued = await this.#left.queued();
    const unknown = [...queued].filter(([durable]) => !this.#queues.has(durable)).map(([, source]) => source);
    const deserted = await this.#left.deserted(unknown);
    if (this.#stopping) return;
    for (const left of deserted) {
      if (this.#queues.has(workDurable(left.source))) continue;
      this.#options.log.warn({ source: left.source }, 'the work of a source that is not registered is taken');
      this.#serve(left);
    }
    await this.#leaveEmpty(queued);
  }

  async #leaveEmpty(queued: ReadonlyMap<string, WorkSource>): Promise<void> {
    const left: Promise<void>[] = [];
    for (const [durable, queue] of this.#queues) {
      const empty = !this.#registered?.has(durable) && !queued.has(durable) && queue.active === 0;
      const looks = empty ? (this.#empty.get(durable) ?? 0) + 1 : 0;
      if (looks === 0) this.#empty.delete(durable);
      else this.#empty.set(durable, looks);
      if (looks < EMPTY_LOOKS) continue;
      this.#empty.delete(durable);
      this.#queues.delete(durable);
      left.push(queue.stop(this.#options.ackWaitMs));
    }
    await Promise.all(left);
  }
}
