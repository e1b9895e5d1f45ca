/**
 * Books the calls that nobody has lived to report. A worker leaves a note of each call before it makes it; when the step
 * has ended, and some time has passed, a call without a row is one whose worker died.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CALLS_STREAM,
  type CallNote,
  decodeMessage,
  MalformedMessage,
  QueueConsumer,
  type QueueMessage,
} from '@tailrace/bus';
import { isDataError } from '@tailrace/database';
import { bookUnreported } from './book-unreported.ts';
import type { OrchestratorContext } from './context.ts';

/** How notes are gathered. Times are in milliseconds. */
export interface UnreportedCallsOptions {
  /** So old a note is when it is looked at first: most calls have been reported by then. */
  settleMs: number;
  /** So old is the note of a call that belongs to no step when nothing is to be expected of it any more. */
  lostAfterMs: number;
  ackWaitMs: number;
  /** The longest pause before a note is looked at again whose step is still open. */
  lookAgainMs: number;
}

/** The most notes of one statement, and how long it waits for more. */
const BATCH = { size: 256, ms: 50 };
/** The most notes that one process holds, and all of them together. */
const HELD = { here: 1_024, everywhere: 65_536 };

/** The step of a call has not ended: its worker may still report. */
class StillOpen extends Error {}

interface Waiting {
  note: CallNote;
  resolve(open: boolean): void;
  reject(error: unknown): void;
}

/** See the file's head. */
export class UnreportedCalls {
  readonly #context: Pick<OrchestratorContext, 'bus' | 'database' | 'log'>;
  readonly #options: UnreportedCallsOptions;
  readonly #consumer: QueueConsumer;
  readonly #stopping = new AbortController();
  readonly #waiting: Waiting[] = [];
  #booking = false;

  constructor(context: Pick<OrchestratorContext, 'bus' | 'database' | 'log'>, options: UnreportedCallsOptions) {
    this.#context = context;
    this.#options = options;
    this.#consumer = new QueueConsumer(context.bus, {
      stream: CALLS_STREAM,
      durable: 'calls',
      filter: 'tr.calls.*',
      maxAckPending: HELD.everywhere,
      ackWaitMs: options.ackWaitMs,
      maxDeliver: -1,
      limit: HELD.here,
      redeliverMs: options.settleMs,
      redeliverMaxMs: options.lookAgainMs,
      handle: (message, signal) => this.#handle(message, signal),
      onError: (error) => {
        if (error instanceof StillOpen || this.#stopping.signal.aborted) return;
        context.log.warn({ err: error }, 'a note of a call could not be dealt with; it is tried again');
      },
    });
  }

  start(): Promise<void> {
    return this.#consumer.start();
  }

  /** Notes that wait go to another orchestrator. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort();
    await this.#consumer.stop(deadlineMs);
  }

  async #handle(message: QueueMessage, signal: AbortSignal): Promise<void> {
    let note: CallNote;
    try {
      note = decodeMessage<CallNote>(message.subject, message.data);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#context.log.error({ err: error }, 'dropped a note that cannot be read');
      message.term();
      return;
    }
    const { settleMs } = this.#options;
    const rest = Math.min(settleMs, message.storedAt + settleMs - Date.now());
    if (rest > 0) await sleep(rest, undefined, { signal: AbortSignal.any([signal, this.#stopping.signal]) });
    if (await this.#isOpen(note)) throw new StillOpen();
  }

  #isOpen(note: CallNote): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ note, resolve, reject });
      if (!this.#booking) void this.#book();
    });
  }

  /** Never rejects: every failure is told to those who wait. */
  async #book(): Promise<void> {
    this.#booking = true;
    while (this.#waiting.length > 0) {
      if (this.#waiting.length < BATCH.size) await sleep(BATCH.ms);
      const batch = this.#waiting.splice(0, BATCH.size);
      try {
        await this.#bookBatch(batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#booking = false;
  }

  async #bookBatch(batch: readonly Waiting[]): Promise<void> {
    const { database, log } = this.#context;
    const lostBefore = Date.now() - this.#options.lostAfterMs;
    try {
      const open = await bookUnreported(
        database,
        batch.map(({ note }) => note),
        lostBefore,
      );
      for (const { note, resolve } of batch) resolve(open.has(note.id));
    } catch (error) {
      if (!isDataError(error)) throw error;
      // One of them is wrong: the others are not to suffer for it.
      const [first, ...others] = batch;
      if (first && others.length === 0) {
        log.error({ err: error, note: first.note }, 'dropped a note that cannot be booked');
        first.resolve(false);
        return;
      }
      for (const each of batch) await this.#bookBatch([each]);
    }
  }
}
