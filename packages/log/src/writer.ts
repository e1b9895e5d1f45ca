/**
 * The writer of one model step's share of a log: ack-clocked, with one publish in flight. What comes while it waits is
 * gathered into the next message, so slow streams get an event a message without delay and fast ones batch themselves.
 */
import type { LogPosition } from '@tailrace/bus';
import type { StepId, UnnumberedEvent } from '@tailrace/protocol';
import { append, type LogTarget } from './append.ts';
import { encodeFrames } from './frame.ts';
import type { LogMeta } from './message.ts';

/** How a writer is set up. */
export interface LogWriterOptions {
  target: LogTarget;
  from: LogPosition;
  /** Names this writer in its messages. */
  writer: string;
  step: { id: StepId; attempt: number };
  /** Characters that may wait for the log before {@link LogWriter.ready} holds the producer back. */
  bufferLimit: number;
  /** Characters in one message at the most, unless a single group of events is larger. */
  messageLimit: number;
  signal: AbortSignal;
}

/** Frames that stand in one message. */
interface Group {
  text: string;
  events: number;
}

/** See the file's head. After an error every call fails with it. */
export class LogWriter {
  readonly #options: LogWriterOptions;
  #position: LogPosition;
  #groups: Group[] = [];
  #buffered = 0;
  #nextEvent: number;
  #flushing: Promise<void> | undefined;
  #seal: string | null = null;
  #sealed = false;
  #error: unknown;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#position = options.from;
    this.#nextEvent = options.from.nextEvent;
  }

  /** Adds events that belong together: they are on their way at once or with the next message, and in the same one. */
  write(events: readonly UnnumberedEvent[]): void {
    if (this.#error !== undefined) throw this.#error;
    if (events.length === 0) return;
    const text = encodeFrames(events, this.#nextEvent);
    this.#nextEvent += events.length;
    this.#groups.push({ text, events: events.length });
    this.#buffered += text.length;
    this.#flushing ??= this.#flush();
  }

  /** Resolves when the producer may go on: at once, unless the buffer is full. */
  async ready(): Promise<void> {
    while (this.#buffered > this.#options.bufferLimit && this.#flushing !== undefined) await this.#flushing;
    if (this.#error !== undefined) throw this.#error;
  }

  /**
   * Ends the step: the last message carries `seal`, so that whoever takes the step over finds it done. Resolves with the
   * position after everything written, once JetStream has it.
   */
  async end(seal: string): Promise<LogPosition> {
    this.#seal = seal;
    await this.#flushing;
    if (this.#error !== undefined) throw this.#error;
    if (!this.#sealed) await this.#append([]);
    return this.#position;
  }

  /**
   * Takes over a log: an empty message after which no earlier writer can append.
   * @throws Fenced when somebody else has appended since `from`.
   */
  async claim(): Promise<void> {
    await this.#append([]);
  }

  async #flush(): Promise<void> {
    // The events of one turn of the event loop belong together.
    await Promise.resolve();
    try {
      while (this.#groups.length > 0) await this.#append(this.#take());
    } catch (error) {
      this.#error = error;
      this.#groups = [];
      this.#buffered = 0;
    } finally {
      this.#flushing = undefined;
    }
  }

  #take(): Group[] {
    let size = 0;
    const over = this.#groups.findIndex((group, index) => {
      size += group.text.length;
      return index > 0 && size > this.#options.messageLimit;
    });
    return this.#groups.splice(0, over === -1 ? this.#groups.length : over);
  }

  async #append(groups: Group[]): Promise<void> {
    const { target, writer, step, signal } = this.#options;
    // What waited behind a publish in flight is not for a writer that has been stopped.
    signal.throwIfAborted();
    const first = this.#position.nextEvent;
    const events = groups.reduce((sum, group) => sum + group.events, 0);
    const seal = this.#groups.length === 0 ? this.#seal : null;
    const meta: LogMeta = {
      first,
      last: first + events - 1,
      cursor: this.#position.cursor,
      writer,
      step,
      seal,
      ended: null,
    };
    const text = groups.map((group) => group.text).join('');
    const streamSeq = await append(target, this.#position.streamSeq, meta, Buffer.from(text), signal);
    this.#buffered -= text.length;
    this.#sealed = seal !== null;
    this.#position = { ...this.#position, streamSeq, nextEvent: first + events };
  }
}
