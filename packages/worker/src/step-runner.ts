/** What becomes of one message of a queue: its step is run, and what that comes to is told. */
import {
  BlobExpired,
  type Bus,
  chainSubject,
  decodeMessage,
  encodePayload,
  MalformedMessage,
  partitionOf,
  payloadOf,
  publishUntilStored,
  type QueueMessage,
  type ResultCommand,
  STEP_HOLD_MS,
  type Work,
} from '@tailrace/bus';
import { attemptOf } from '@tailrace/chain';
import { crashPoint, type Logger } from '@tailrace/service';
import { type Announce, announcer } from './call-notes.ts';
import { Cancellations, StepCancelled } from './cancellations.ts';
import { beginOnce, isRecorded, type StepAttempt, takeStep } from './step-question.ts';
import { StepSuperseded } from './superseded.ts';

/** How the steps of a kind of work are run. */
export interface StepRunnerOptions<W extends Work> {
  bus: Bus;
  log: Logger;
  partitions: number;
  /** Milliseconds after which a step that still runs is reported as started. */
  startedAfterMs: number;
  /** Milliseconds between later reports of the same step; well below what the sweep takes for silence. */
  heartbeatMs: number;
  /**
   * Runs a step. What it throws hands the step to another attempt, unless the signal was aborted with `StepCancelled`:
   * then the step is over; so is this message of it after `StepSuperseded`. Null when there was nothing to do, and there is
   * nothing to tell.
   */
  run(work: W, delivery: Delivery, signal: AbortSignal): Promise<StepReport | null>;
}

/** Work younger than this, in milliseconds, has hardly been given to anybody else before. */
const FRESH_MS = 250;

/** How a step came to this process. */
export interface Delivery {
  attempt: number;
  /** An earlier delivery may have begun the step. */
  redelivered: boolean;
  /**
   * To be awaited before what must not be done twice. Resolves when it is recorded that this attempt does it; rejects when it
   * is not to do it, which is for {@link StepRunnerOptions.run} to throw on.
   */
  begin(): Promise<void>;
  /**
   * To be awaited right before what may be repeated, but not once the step is recorded. Resolves when no later attempt has the
   * step, nor gets it within the next moments; rejects as {@link Delivery.begin} does.
   */
  hold(): Promise<void>;
  /** Whether an earlier attempt has, or may have, said that it begins. */
  mayHaveBegun(): Promise<boolean>;
  /** To be awaited right before each call of an upstream or a tool. */
  announce: Announce;
}

/** Whether an earlier attempt may have begun the step, and until when, by the monotonic clock, this one can rely on having it. */
type Standing = Awaited<ReturnType<typeof takeStep>>;

type Ended = Exclude<ResultCommand, { kind: 'started' }>;
type Address = Omit<Extract<ResultCommand, { kind: 'started' }>, 'kind'>;
type Unaddressed<R> = R extends Ended ? Omit<R, keyof Address | 'endedAt'> : never;

/** What a step came to. */
export type StepReport = Unaddressed<Ended>;

/** See the file's head. */
export class StepRunner<W extends Work> {
  readonly #options: StepRunnerOptions<W>;
  readonly #cancellations: Cancellations;

  constructor(options: StepRunnerOptions<W>) {
    this.#options = options;
    this.#cancellations = new Cancellations(options.bus);
  }

  /** Hears of cancelled responses no more. */
  close(): void {
    this.#cancellations.close();
  }

  /** Works on a message. Rejects when it is to go to another attempt. */
  async handle(message: QueueMessage, signal: AbortSignal): Promise<void> {
    const { bus, log } = this.#options;
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
    const address = { responseId, stepId, attempt, startedAt: Date.now(), correlationId };
    const stepLog = log.child({ response_id: responseId, step_id: stepId, correlation_id: correlationId });
    const report = await this.#run(work, message, address, signal);
    if (report === null) {
      stepLog.info({ attempt }, "the step is over, or somebody else's");
      return;
    }
    crashPoint('before-work-ack');
    stepLog.info({ kind: report.kind, attempt, ms: report.endedAt - report.startedAt }, 'step done');
  }

  /** What the step came to, when that is stored; null when there was nothing to tell. */
  async #run(work: W, message: QueueMessage, address: Address, outer: AbortSignal): Promise<Ended | null> {
    let ended = () => {};
    let unwatch = () => {};
    try {
      const report = await this.#cancellations.during([work.responseId, work.stepId], outer, async (signal) => {
        try {
          unwatch = this.#lookAgain(work, address, signal);
          const standing = await this.#inquire(work, message, address, signal);
          // What is passed on is no step: whoever waits for it knows where it stands.
          if (work.kind !== 'relay') ended = this.#reportStarted(address, outer);
          const delivery = this.#delivery(work, message, address, standing, { outer, signal });
          return await this.#options.run(work, delivery, signal);
        } catch (error) {
          if (signal.reason instanceof StepCancelled || error instanceof StepSuperseded) return null;
          throw error;
        }
      });
      if (report === null) return null;
      const result = { ...address, endedAt: Date.now(), ...report } as Ended;
      await this.#publish(result, `${address.stepId}.${address.attempt}`, outer);
      return result;
    } finally {
      unwatch();
      ended();
    }
  }

  /**
   * Where the step stands, as far as that has to be known before it is begun.
   * @throws StepSuperseded, StaleDelivery
   */
  async #inquire(work: W, message: QueueMessage, attempt: StepAttempt, signal: AbortSignal): Promise<Standing> {
    const { bus } = this.#options;
    if (work.kind === 'relay') return { begun: attempt.attempt > 1, until: Number.POSITIVE_INFINITY };
    const { responseId, stepId } = attempt;
    // Another attempt may have been recorded meanwhile: then there is nothing left to do. A server that was killed may have
    // forgotten that it has delivered a message before, and a message may have been long on its way into the queue: so its
    // age tells, too; by clocks that may differ either way.
    const ages = [message.storedAt, work.handedOutAt].map((since) => Math.abs(attempt.startedAt - since));
    const old = work.takeover || attempt.attempt > 1 || Math.max(...ages) > FRESH_MS;
    const doubtful = this.#cancellations.has(responseId) || this.#cancellations.has(stepId);
    // What has just been handed out is nobody else's for a while.
    if (!doubtful && !old) return { begun: false, until: performance.now() + STEP_HOLD_MS - FRESH_MS };
    const standing = await takeStep(bus, attempt, signal);
    if (doubtful) this.#cancellations.forget([responseId, stepId]);
    return standing;
  }

  #delivery(
    work: W,
    message: QueueMessage,
    address: Address,
    standing: Standing,
    { outer, signal }: { outer: AbortSignal; signal: AbortSignal },
  ): Delivery {
    const { bus, log } = this.#options;
    const { attempt, stepId } = address;
    let { until } = standing;
    return {
      attempt,
      redelivered: message.redelivered,
      begin: () => beginOnce(bus, address, signal),
      hold: async () => {
        while (performance.now() >= until) ({ until } = await takeStep(bus, address, signal));
      },
      mayHaveBegun: async () => standing.begun,
      announce: announcer(bus, work, attempt, outer, (error) =>
        log.warn({ err: error, step_id: stepId }, 'a note of a call was not left'),
      ),
    };
  }

  /** What was said while the connection was gone nobody has heard: it is asked whether the step is over. Call back to end it. */
  #lookAgain(work: W, address: Address, signal: AbortSignal): () => void {
    if (work.kind === 'relay') return () => {};
    const { bus, log } = this.#options;
    return bus.onReconnect(() => {
      isRecorded(bus, address, signal).then(
        (over) => {
          if (over) this.#cancellations.found(address.stepId);
        },
        (error: unknown) => {
          if (!signal.aborted) log.warn({ err: error, step_id: address.stepId }, 'a step could not be asked about');
        },
      );
    });
  }

  /** Tells of a step that takes long, and then again and again, so that nobody takes it for lost. Call back to end it. */
  #reportStarted(address: Address, signal: AbortSignal): () => void {
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
    await publishUntilStored(bus, subject, encodePayload(report), id, signal);
  }
}
