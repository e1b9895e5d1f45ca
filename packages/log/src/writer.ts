/**
 * The writer of one model step's share of a log: ack-clocked, with one publish in flight. What comes while it waits is
 * gathered into the next message, so slow streams get an event a message without delay and fast ones batch themselves.
 *
 * A log may be shared: steps in several scopes write to it at once, and orchestrators between them. Then a writer that finds
 * somebody else's message where it wanted to append numbers its events anew and appends behind it. Only a message of its
 * own step that it has not written shuts it out, and the end of the log. After each message it leaves the log to others for
 * a while, the longer the more they are: who always appends at once would be in front of all others for ever.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogPosition, Pieces } from '@tailrace/bus';
import type { StepId, UnnumberedEvent } from '@tailrace/protocol';
import { append, Fenced, INLINE_BYTES, type LogTarget } from './append.ts';
import { framePieces, frameSize, numberFrame, type OpenFrame, openFrame } from './frame.ts';
import { type LogMeta, positionAfter, type Seal } from './message.ts';
import { newcomers } from './newcomers.ts';

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
  /** Whether others write to the log at the same time. */
  shared: boolean;
  signal: AbortSignal;
}

/**
 * How long a writer of a shared log leaves it to others, in the times that an append takes: to look where the log ends takes
 * about as long, and to append there once more.
 */
const PAUSE = { alone: 4, eachOther: 2, mostMs: 500 };

/** Frames that stand in one message. */
interface Group {
  frames: OpenFrame[];
  /** Characters, at the most. */
  size: number;
}

/** See the file's head. After an error every call fails with it. */
export class LogWriter {
  readonly #options: LogWriterOptions;
  #position: LogPosition;
  #groups: Group[] = [];
  #buffered = 0;
  #written = 0;
  #flushing: Promise<void> | undefined;
  #seal: Seal | null = null;
  #sealed = false;
  /** Messages of others since this writer's last one. */
  #passed = 0;
  /** Until then the log is left to others. */
  #pausedUntil = 0;
  #error: unknown;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#position = options.from;
  }

  /** How many events of this writer the log has. */
  get written(): number {
    return this.#written;
  }

  /** Adds events that belong together: they are on their way at once or with the next message, and in the same one. */
  write(events: readonly UnnumberedEvent[]): void {
    if (this.#error !== undefined) throw this.#error;
    if (events.length === 0) return;
    const frames = events.map(openFrame);
    const size = frames.reduce((sum, frame) => sum + frameSize(frame), 0);
    this.#groups.push({ frames, size });
    this.#buffered += size;
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
  async end(seal: Seal): Promise<LogPosition> {
    this.#seal = seal;
    await this.#flushing;
    if (this.#error !== undefined) throw this.#error;
    if (!this.#sealed) await this.#append([]);
    return this.#position;
  }

  /**
   * Takes over a step: an empty message after which no earlier writer of it can append.
   * @throws Fenced when somebody else has appended since `from`; in a shared log, for the same step.
   */
  async claim(): Promise<void> {
    await this.#append([]);
  }

  async #flush(): Promise<void> {
    // The events of one turn of the event loop belong together.
    await Promise.resolve();
    try {
      while (this.#groups.length > 0) {
        await this.#pause();
        await this.#append(this.#take());
      }
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
      size += group.size;
      return index > 0 && size > this.#options.messageLimit;
    });
    return this.#groups.splice(0, over === -1 ? this.#groups.length : over);
  }

  async #append(groups: Group[]): Promise<void> {
    const { target, writer, step, signal } = this.#options;
    const frames = groups.flatMap((group) => group.frames);
    const seal = this.#groups.length === 0 ? this.#seal : null;
    for (let stored = false; !stored; ) {
      // What waited behind a publish in flight is not for a writer that has been stopped.
      signal.throwIfAborted();
      const { streamSeq: after, nextEvent: first, cursor } = this.#position;
      const meta: LogMeta = { first, last: first + frames.length - 1, cursor, writer, step, seal, ended: null };
      const begun = performance.now();
      try {
        this.#position = positionAfter(meta, await append(target, after, meta, encoded(groups, first), signal));
        stored = true;
        this.#giveWay(performance.now() - begun);
      } catch (error) {
        if (!this.#options.shared || !(error instanceof Fenced)) throw error;
        stored = await this.#pass();
      }
    }
    this.#written += frames.length;
    this.#buffered -= sizeOf(groups);
    this.#sealed = seal !== null;
  }

  /** `tookMs` is how long the append took. */
  #giveWay(tookMs: number): void {
    if (!this.#options.shared) return;
    const ms = Math.min(PAUSE.mostMs, tookMs * (PAUSE.alone + PAUSE.eachOther * this.#passed));
    this.#pausedUntil = performance.now() + ms * (0.75 + Math.random() / 2);
    this.#passed = 0;
  }

  async #pause(): Promise<void> {
    const ms = this.#pausedUntil - performance.now();
    if (ms > 0) await sleep(ms, undefined, { signal: this.#options.signal });
  }

  /** Goes on to the end of a shared log. Whether the message that was being appended is on the way there after all. */
  async #pass(): Promise<boolean> {
    const { target, writer, step, signal } = this.#options;
    let own = false;
    for (const { streamSeq, meta } of await newcomers(target, this.#position.streamSeq, signal)) {
      const mine = meta.writer === writer;
      // A log that JetStream has lost goes on with higher numbers: no place for half of what stood in the one before.
      const another = meta.first !== this.#position.nextEvent;
      if (another || meta.ended !== null || (meta.step?.id === step.id && !mine)) throw new Fenced(target.id, meta);
      own ||= mine;
      if (!mine) this.#passed += 1;
      const cursor = Math.max(meta.cursor, this.#position.cursor);
      this.#position = { ...positionAfter(meta, streamSeq), cursor };
    }
    return own;
  }
}

/** What is long is not held as a whole: it is made piece by piece. */
function encoded(groups: readonly Group[], first: number): Uint8Array | Pieces {
  const frames = groups.flatMap((group) => group.frames);
  const text = (frame: OpenFrame, index: number) => numberFrame(frame, first + index);
  if (sizeOf(groups) <= INLINE_BYTES) return Buffer.from(frames.map(text).join(''));
  return function* () {
    for (const [index, frame] of frames.entries()) {
      for (const piece of framePieces(frame, first + index)) yield Buffer.from(piece);
    }
  };
}

function sizeOf(groups: readonly Group[]): number {
  return groups.reduce((sum, { size }) => sum + size, 0);
}
