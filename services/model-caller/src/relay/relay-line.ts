/** A worker's line to the gateway that waits for an answer: bytes go out as fast as the gateway's client takes them. */
import { randomBytes } from 'node:crypto';
import { createInbox, NoRespondersError, RequestError } from '@nats-io/nats-core';
import {
  type Bus,
  decodeRelay,
  encodeMessage,
  encodeRelay,
  parseRelaySubject,
  RELEASE_SUBJECT,
  type RelayAnswer,
  type RelayFailure,
  type RelayHead,
  type RelayKind,
  type RelayWord,
  relaySubject,
  subscribe,
} from '@tailrace/bus';

/** Nobody waits for the answer any more. */
export class ClientGone extends Error {
  constructor() {
    super('nobody waits for the answer any more');
    this.name = 'ClientGone';
  }
}

/** Times of a line, in milliseconds. */
export interface RelayTimes {
  /** Between signs of life. */
  aliveMs: number;
  /** So long without one of the other side, it is gone. */
  silenceMs: number;
}

/** Room for the protocol line beside a message's bytes. */
const RESERVED_BYTES = 4 * 1024;
const PIECE_BYTES = 64 * 1024;

/** The lines of a process: one inbox for what gateways say on all of them. */
export class RelayLines {
  readonly #bus: Bus;
  readonly #times: RelayTimes;
  readonly #prefix = createInbox();
  readonly #lines = new Map<string, RelayLine>();

  constructor(bus: Bus, times: RelayTimes) {
    this.#bus = bus;
    this.#times = times;
    subscribe(bus, `${this.#prefix}.*`, ({ subject, data }) => {
      const line = this.#lines.get(subject.slice(this.#prefix.length + 1));
      line?.hear(decodeRelay<RelayWord>(subject, data));
    });
  }

  /**
   * A line to whoever waits at `replyTo`; null when nobody does. Close it.
   * @throws TimeoutError when no answer comes: whether somebody waits is not known.
   */
  async open(replyTo: string): Promise<RelayLine | null> {
    const id = randomBytes(9).toString('base64url');
    const line = new RelayLine(this.#bus, replyTo, id, this.#times, () => this.#lines.delete(id));
    this.#lines.set(id, line);
    try {
      if (await line.begin(`${this.#prefix}.${id}`)) return line;
    } catch (error) {
      line.close();
      throw error;
    }
    line.close();
    return null;
  }
}

/** See the file's head. */
export class RelayLine {
  readonly #bus: Bus;
  readonly #replyTo: string;
  readonly #id: string;
  readonly #times: RelayTimes;
  readonly #gone = new AbortController();
  readonly #onClose: () => void;
  readonly #alive: NodeJS.Timeout;
  /** Beats since the gateway was last heard. A process that stood still has missed none meanwhile. */
  #silentBeats = 0;
  #seq = 0;
  #sent = 0;
  #upTo = 0;
  #moved: (() => void) | undefined;

  constructor(bus: Bus, replyTo: string, id: string, times: RelayTimes, onClose: () => void) {
    this.#bus = bus;
    this.#replyTo = replyTo;
    this.#id = id;
    this.#times = times;
    this.#onClose = onClose;
    this.#alive = setInterval(() => this.#beat(), times.aliveMs);
  }

  /** Aborted with {@link ClientGone}. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether any byte of the answer has left. */
  get begun(): boolean {
    return this.#sent > 0;
  }

  /** Asks whether somebody waits. */
  async begin(control: string): Promise<boolean> {
    const subject = this.#subject('begin');
    this.#seq += 1;
    try {
      const timeout = this.#times.aliveMs;
      const answer = await this.#bus.nc.request(subject, encodeRelay({ control }), { timeout });
      const said = decodeRelay<RelayAnswer>(subject, answer.data);
      if ('gone' in said) return false;
      this.hear({ upTo: said.window });
      return true;
    } catch (error) {
      const alone = error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());
      if (!alone) throw error;
      this.release();
      return false;
    }
  }

  /** What a gateway says. */
  hear(word: RelayWord): void {
    this.#silentBeats = 0;
    if ('gone' in word) this.#gone.abort(new ClientGone());
    else this.#upTo = Math.max(this.#upTo, word.upTo);
    this.#moved?.();
  }

  head(head: RelayHead): void {
    this.#tell('head', encodeRelay(head));
  }

  /**
   * Sends bytes; resolves when all have left.
   * @throws ClientGone
   */
  async send(bytes: Uint8Array): Promise<void> {
    const most = Math.min(PIECE_BYTES, (this.#bus.nc.info?.max_payload ?? PIECE_BYTES) - RESERVED_BYTES);
    for (let at = 0; at < bytes.byteLength; ) {
      while (this.#sent >= this.#upTo) await this.#move();
      this.signal.throwIfAborted();
      const piece = bytes.subarray(at, at + Math.min(most, this.#upTo - this.#sent));
      at += piece.byteLength;
      this.#sent += piece.byteLength;
      this.#tell('data', piece);
    }
  }

  /** The answer is whole. */
  end(): void {
    this.#tell('end', new Uint8Array(0));
  }

  /** There is no answer, or not all of it. */
  fail(failure: RelayFailure): void {
    this.#tell('fail', encodeRelay(failure));
  }

  /**
   * The call's place among those of its key is free: for a gateway that has died, and cannot say so any more. May be told
   * again, and of calls that hold no place.
   */
  release(): void {
    const { call } = parseRelaySubject(this.#subject('end'));
    this.#bus.nc.publish(RELEASE_SUBJECT, encodeMessage({ id: call }));
  }

  close(): void {
    clearInterval(this.#alive);
    this.#onClose();
  }

  #tell(kind: RelayKind, bytes: Uint8Array): void {
    this.#bus.nc.publish(this.#subject(kind), bytes);
    this.#seq += 1;
  }

  #subject(kind: RelayKind): string {
    return relaySubject(this.#replyTo, { line: this.#id, kind, seq: this.#seq });
  }

  #beat(): void {
    this.#silentBeats += 1;
    const { aliveMs, silenceMs } = this.#times;
    if (this.#silentBeats * aliveMs <= silenceMs) {
      // Its number is that of the message that comes next: what was lost shows.
      this.#bus.nc.publish(this.#subject('alive'), new Uint8Array(0));
      return;
    }
    // Where it is this process that has lost its connection, the gateway has another worker make the call.
    if (!this.signal.aborted && this.#bus.connected()) this.release();
    this.hear({ gone: true });
  }

  /** @throws ClientGone */
  async #move(): Promise<void> {
    this.signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      this.#moved = resolve;
    });
    this.#moved = undefined;
    this.signal.throwIfAborted();
  }
}
