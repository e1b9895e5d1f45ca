/** A call that is passed on, as its gateway sees it: workers take it, one of them answers. */
import type { Msg } from '@nats-io/nats-core';
import {
  type Bus,
  decodeRelay,
  encodeRelay,
  type RelayBegin,
  type RelayFailure,
  type RelayHead,
  type RelayPlace,
} from '@tailrace/bus';
import { ApiError, type ErrorCode } from '@tailrace/protocol';

/** Bounds of a call. Times are in milliseconds. */
export interface RelayOptions {
  /** Bytes of an answer that may be on their way at once. */
  windowBytes: number;
  /** How long a call waits for a worker. */
  queueMs: number;
  /** Between signs of life. */
  aliveMs: number;
  /** So long without one of the worker, it is gone. */
  silenceMs: number;
  /** How many workers may take a call, one after another, before it is given up. */
  attempts: number;
}

/** A call came to an end without an answer, or with only a part of one. */
export class RelayFailed extends Error {
  readonly failure: RelayFailure;

  constructor(failure: RelayFailure) {
    super(failure.error.message);
    this.name = 'RelayFailed';
    this.failure = failure;
  }
}

/** The worker that answers. */
interface Line {
  id: string;
  control: string;
  /** The number of its next message. */
  seq: number;
  streams: boolean;
}

/** See the file's head. What has been heard and not been taken yet is bounded by the window. */
export class RelayCall {
  readonly id: string;
  /** Where workers find it. */
  readonly replyTo: string;
  readonly #bus: Bus;
  readonly #options: RelayOptions;
  readonly #onClose: () => void;
  readonly #beat: NodeJS.Timeout;
  readonly #heard: Uint8Array[] = [];
  #line: Line | null = null;
  #attempts = 0;
  /** Beats since the last sign of life. A process that stood still has missed none meanwhile. */
  #silentBeats = 0;
  /** Bytes of the answer, heard and taken. */
  #received = 0;
  #taken = 0;
  #ended = false;
  #failure: RelayFailure | null = null;
  #changed: (() => void) | undefined;

  constructor(bus: Bus, place: { id: string; replyTo: string }, options: RelayOptions, onClose: () => void) {
    this.#bus = bus;
    this.id = place.id;
    this.replyTo = place.replyTo;
    this.#options = options;
    this.#onClose = onClose;
    this.#beat = setInterval(() => this.#check(), options.aliveMs);
  }

  /**
   * Resolves when an answer has begun; tells whether it is a stream.
   * @throws RelayFailed
   */
  async answer(): Promise<{ streams: boolean }> {
    while (this.#received === 0 && !this.#over) await this.#change();
    if (this.#received === 0 && this.#failure) throw new RelayFailed(this.#failure);
    return { streams: this.#line?.streams ?? false };
  }

  /**
   * The answer's bytes as they come. The worker sends as fast as they are taken.
   * @throws RelayFailed when it breaks off.
   */
  async *bytes(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.#heard.shift();
      if (next) {
        yield next;
        this.#taken += next.byteLength;
        this.#move();
      } else if (this.#failure) {
        throw new RelayFailed(this.#failure);
      } else if (this.#ended) {
        return;
      } else await this.#change();
    }
  }

  /** Whether any worker has taken the call. */
  get isTaken(): boolean {
    return this.#attempts > 0;
  }

  /**
   * What a worker tells.
   * @throws MalformedMessage for what cannot be read, which ends the call.
   */
  hear({ line: id, kind, seq }: RelayPlace, message: Msg): void {
    if (kind === 'begin') {
      this.#begin(id, message);
      return;
    }
    const line = this.#line;
    if (!line || line.id !== id || this.#over) return;
    this.#silentBeats = 0;
    if (seq !== line.seq) {
      this.#fail('upstream_cut', { reason: 'a part of the answer was lost on its way' });
      return;
    }
    if (kind === 'alive') return;
    line.seq += 1;
    if (kind === 'head') line.streams = this.#read<RelayHead>(message).streams;
    else if (kind === 'data') this.#receive(message.data);
    else if (kind === 'end') this.#end();
    else if (kind === 'fail') this.#end(this.#read<RelayFailure>(message));
  }

  /** Ends the call, whatever has become of it: what there is no answer to yet stays without one. */
  close(): void {
    this.#fail('unavailable', { reason: 'the call was ended before its answer was' });
    clearInterval(this.#beat);
    this.#onClose();
    if (this.#line) this.#bus.nc.publish(this.#line.control, encodeRelay({ gone: true }));
    this.#line = null;
  }

  get #over(): boolean {
    return this.#ended || this.#failure !== null;
  }

  #begin(id: string, message: Msg): void {
    const { windowBytes, attempts } = this.#options;
    const before = this.#line;
    if (this.#over || this.#received > 0 || this.#attempts >= attempts) {
      message.respond(encodeRelay({ gone: true }));
      if (this.#received > 0) this.#interrupted();
      else this.#fail('attempts_exhausted', { attempts });
      return;
    }
    const { control } = decodeRelay<RelayBegin>(message.subject, message.data);
    // Whoever had it has died, or is late: what it says does not count any more.
    if (before) this.#bus.nc.publish(before.control, encodeRelay({ gone: true }));
    this.#attempts += 1;
    this.#silentBeats = 0;
    this.#line = { id, control, seq: 1, streams: false };
    message.respond(encodeRelay({ window: windowBytes }));
  }

  #read<T extends RelayHead | RelayFailure>({ subject, data }: Msg): T {
    try {
      return decodeRelay<T>(subject, data);
    } catch (error) {
      this.#fail('internal_error', {});
      throw error;
    }
  }

  #receive(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    this.#received += bytes.byteLength;
    if (this.#received - this.#taken > this.#options.windowBytes) {
      this.#fail('internal_error', {});
      return;
    }
    // The client library's buffer is larger, and kept as long as any part of it.
    this.#heard.push(bytes.slice());
    this.#changed?.();
  }

  #move(): void {
    if (!this.#line) return;
    const upTo = this.#taken + this.#options.windowBytes;
    this.#bus.nc.publish(this.#line.control, encodeRelay({ upTo }));
  }

  #check(): void {
    if (this.#over) return;
    this.#silentBeats += 1;
    const { aliveMs, silenceMs, queueMs } = this.#options;
    const silentMs = this.#silentBeats * aliveMs;
    if (!this.#line) {
      if (silentMs > queueMs) this.#fail('unavailable', { reason: 'the model had no room for the call in time' });
    } else if (silentMs <= silenceMs) this.#move();
    else if (this.#received > 0) this.#interrupted();
    else {
      // Its queue gives the call to somebody else.
      this.#line = null;
      this.#silentBeats = 0;
    }
  }

  #interrupted(): void {
    this.#fail('upstream_cut', { reason: 'the process that passed the answer on has gone' });
  }

  #fail(code: ErrorCode, detail: Record<string, string | number>): void {
    const error = new ApiError(code, detail);
    this.#end({ error: error.info, retryAfter: error.retryAfter, refusal: null });
  }

  #end(failure?: RelayFailure): void {
    if (this.#over) return;
    if (failure) this.#failure = failure;
    else this.#ended = true;
    this.#changed?.();
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#changed = resolve;
    });
    this.#changed = undefined;
  }
}
