/** What the workers share: a queue for each registered source of work, and the report of every step. */
import {
  BlobExpired,
  type Bus,
  chainSubject,
  decodeMessage,
  encodeMessage,
  MalformedMessage,
  partitionOf,
  payloadOf,
  publishUntilStored,
  QueueConsumer,
  type QueueMessage,
  type ResultCommand,
  WORK_STREAM,
  type Work,
  type WorkSource,
  workDurable,
  workFilter,
} from '@tailrace/bus';
import { attemptOf } from '@tailrace/chain';
import type { RegistryView, RegistryWatch } from '@tailrace/registry';
import { crashPoint, type Logger } from '@tailrace/service';
import { type Announce, announcer } from './call-notes.ts';
import { Cancellations, StepCancelled } from './cancellations.ts';
import { askAboutStep, askUntilAnswered } from './step-question.ts';
import { StepSuperseded } from './superseded.ts';

/** A source of work with its cluster-wide limit. */
export interface LimitedSource {
  source: WorkSource;
  concurrency: number;
}

/** How a kind of work is done. */
export interface WorkerPoolOptions<W extends Work> {
  bus: Bus;
  registry: RegistryWatch;
  log: Logger;
  partitions: number;
  /** The most steps of one source under way in this process. */
  limit: number;
  ackWaitMs: number;
  maxDeliver: number;
  redeliverMs: number;
  redeliverMaxMs: number;
  /** Milliseconds after which a step that still runs is reported as started. */
  startedAfterMs: number;
  /** Milliseconds between later reports of the same step; well below what the sweep takes for silence. */
  heartbeatMs: number;
  sources(view: RegistryView): LimitedSource[];
  /** Whether old work is asked about before it is begun, because nothing else would tell that it has been recorded. */
  confirm: boolean;
  /**
   * Runs a step. What it throws hands the step to another attempt, unless the signal was aborted with `StepCancelled`:
   * then the step is over; so is this message of it after `StepSuperseded`. Null when there was nothing to do, and there is
   * nothing to tell.
   */
  run(work: W, delivery: Delivery, signal: AbortSignal): Promise<StepReport | null>;
}

/** Work younger than this, in milliseconds, has hardly been given to anybody else before. */
const FRESH_MS = 250;

/** Milliseconds that a question to the orchestrators may take. */
const ANSWER_MS = 2_000;

/** How a step came to this process. */
export interface Delivery {
  attempt: number;
  /** An earlier delivery may have begun the step. */
  redelivered: boolean;
  /** Resolves when it is known to all that the step has been begun. */
  begin(): Promise<void>;
  /** Whether an earlier attempt has, or may have, said that it begins. */
  mayHaveBegun(): Promise<boolean>;
  /** To be awaited right before each call of an upstream or a tool. */
  announce: Announce;
}

type Ended = Exclude<ResultCommand, { kind: 'started' }>;
type Unaddressed<R> = R extends Ended
  ? Omit<R, 'responseId' | 'stepId' | 'attempt' | 'startedAt' | 'endedAt' | 'correlationId'>
  : never;

/** What a step came to. */
export type StepReport = Unaddressed<Ended>;

/** See the file's head. */
export class WorkerPool<W extends Work> {
  readonly #options: WorkerPoolOptions<W>;
  readonly #cancellations: Cancellations;
  readonly #consumers = new Map<string, { concurrency: number; consumer: QueueConsumer }>();
  #changing: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(options: WorkerPoolOptions<W>) {
    this.#options = options;
    this.#cancellations = new Cancellations(options.bus);
    options.registry.onChange((view) => {
      this.#changing = this.#changing.then(() => this.#follow(view));
    });
  }

  /** Resolves when the queues of the present registry are being worked on. */
  async ready(): Promise<void> {
    await this.#changing;
  }

  /** How many steps are under way. */
  get active(): number {
    return [...this.#consumers.values()].reduce((sum, { consumer }) => sum + consumer.active, 0);
  }

  /** Takes no more steps; those under way have `drainMs`, then they go to others. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    await this.#changing;
    await Promise.all([...this.#consumers.values()].map(({ consumer }) => consumer.stop(drainMs)));
    this.#cancellations.close();
  }

  async #follow(view: RegistryView): Promise<void> {
    if (this.#stopping) return;
    const wanted = new Map(this.#options.sources(view).map((each) => [workDurable(each.source), each]));
    for (const [durable, { concurrency, consumer }] of this.#consumers) {
      if (wanted.get(durable)?.concurrency === concurrency) continue;
      this.#consumers.delete(durable);
      await consumer.stop(this.#options.ackWaitMs);
    }
    for (const [durable, { source, concurrency }] of wanted) {
      if (this.#consumers.has(durable)) continue;
      const consumer = this.#consumerOf(source, concurrency);
      try {
        await consumer.start();
        this.#consumers.set(durable, { concurrency, consumer });
      } catch (error) {
        this.#options.log.error({ err: error, source }, 'a queue cannot be worked on');
      }
    }
  }

  #consumerOf(source: WorkSource, concurrency: number): QueueConsumer {
    const { bus, log, limit, ackWaitMs, maxDeliver, redeliverMs, redeliverMaxMs } = this.#options;
    return new QueueConsumer(bus, {
      stream: WORK_STREAM,
      durable: workDurable(source),
      filter: workFilter(source),
      maxAckPending: concurrency,
      ackWaitMs,
      maxDeliver,
      limit,
      redeliverMs,
      redeliverMaxMs,
      handle: (message, signal) => this.#handle(message, signal),
      onError: (error, message) =>
        log.warn({ err: error, subject: message?.subject }, 'a step goes to another attempt'),
    });
  }

  async #handle(message: QueueMessage, signal: AbortSignal): Promise<void> {
    const { bus, log, confirm } = this.#options;
    let work: W;
    try {
      work = decodeMessage<W>(message.subject, await payloadOf(bus, message));
    } catch (error) {
      if (!(error instanceof MalformedMessage) && !(error instanceof BlobExpired)) throw error;
      log.error({ err: error }, 'dropped a step that cannot be read');
      message.term();
      return;
    }
    const { responseId, stepId, correlationId } = work;
    const attempt = attemptOf(work.attempt, message.deliveryCount);
    const startedAt = Date.now();
    const address = { responseId, stepId, attempt, startedAt, correlationId };
    const delivery: Delivery = {
      attempt,
      redelivered: message.redelivered,
      begin: () => this.#publish({ kind: 'started', ...address }, `${stepId}.${attempt}.begun`, signal),
      mayHaveBegun: async () =>
        (await askAboutStep(bus, { responseId, stepId, begins: null }, ANSWER_MS))?.begun ?? true,
      announce: announcer(bus, work, attempt, signal, (error) =>
        log.warn({ err: error, step_id: stepId }, 'a note of a call was not left'),
      ),
    };
    const stepLog = log.child({ response_id: responseId, step_id: stepId, correlation_id: correlationId });
    // What is passed on is no step: whoever waits for it knows where it stands.
    const isStep = work.kind !== 'relay';
    // Another attempt may have been recorded meanwhile: then there is nothing left to do. A server that was killed may have
    // forgotten that it has delivered a message before, so its age tells, too; by clocks that may differ either way.
    const old = message.redelivered || Math.abs(startedAt - message.storedAt) > FRESH_MS;
    const question = { responseId, stepId, begins: attempt };
    if (confirm && isStep && old && (await askUntilAnswered(bus, question, ANSWER_MS, signal)).ended) {
      stepLog.info({ attempt }, 'the step had been recorded');
      return;
    }
    const ended = isStep ? this.#reportStarted(address, signal) : () => undefined;
    try {
      const report = await this.#run(work, delivery, signal);
      if (report === null) {
        stepLog.info({ attempt }, "the step is over, or somebody else's");
        return;
      }
      const result = { ...address, endedAt: Date.now(), ...report } as Ended;
      await this.#publish(result, `${stepId}.${delivery.attempt}`, signal);
      crashPoint('before-work-ack');
      stepLog.info({ kind: report.kind, attempt: delivery.attempt, ms: result.endedAt - startedAt }, 'step done');
    } finally {
      ended();
    }
  }

  /** What the step came to; null when there is nothing to tell. */
  async #run(work: W, delivery: Delivery, outer: AbortSignal): Promise<StepReport | null> {
    return this.#cancellations.during(work.responseId, outer, async (signal) => {
      try {
        return await this.#options.run(work, delivery, signal);
      } catch (error) {
        if (signal.reason instanceof StepCancelled || error instanceof StepSuperseded) return null;
        throw error;
      }
    });
  }

  /** Tells of a step that takes long, and then again and again, so that nobody takes it for lost. Call back to end it. */
  #reportStarted(address: Omit<Extract<ResultCommand, { kind: 'started' }>, 'kind'>, signal: AbortSignal): () => void {
    const { startedAfterMs, heartbeatMs } = this.#options;
    let told = 0;
    const tell = () => {
      told += 1;
      timer = setTimeout(tell, heartbeatMs);
      const id = `${address.stepId}.${address.attempt}.started.${told}`;
      this.#publish({ kind: 'started', ...address }, id, signal).catch((error: unknown) => {
        this.#options.log.warn({ err: error, step_id: address.stepId }, 'a start could not be reported');
      });
    };
    let timer = setTimeout(tell, startedAfterMs);
    return () => clearTimeout(timer);
  }

  async #publish(report: ResultCommand, id: string, signal: AbortSignal): Promise<void> {
    const { bus, partitions } = this.#options;
    const subject = chainSubject(partitionOf(report.responseId, partitions), 'result');
    await publishUntilStored(bus, subject, encodeMessage(report), id, signal);
  }
}
