import type { Socket } from 'node:net';
import type { Pace } from './pace.ts';

// A slow wire hands its bytes over in this many pieces a second.
const PIECES_PER_SECOND = 20;

interface Piece {
  /** When it arrives, by the monotonic clock. */
  at: number;
  /** Null: the sender has closed its direction. */
  bytes: Buffer | null;
}

/** One direction of a connection: what one socket receives is sent by the other, in order, at the wire's pace. */
export class Pump {
  readonly #from: Socket;
  readonly #to: Socket;
  #pace: Pace | undefined;
  #swallows = false;
  #onItsWay: Piece[] = [];
  #bytesOnTheirWay = 0;
  /** When the last byte on its way arrives. */
  #busyUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, pace: Pace | undefined) {
    this.#from = from;
    this.#to = to;
    this.#pace = pace;
    from.on('data', (bytes: Buffer) => this.#take(bytes));
    from.on('end', () => this.#take(null));
    to.on('drain', () => this.#flow());
  }

  /** From now on; what is on its way arrives at once when there is no pace. */
  set pace(pace: Pace | undefined) {
    this.#pace = pace;
    if (pace === undefined) this.#deliver(Number.POSITIVE_INFINITY);
  }

  /** Loses what is on its way and all that comes, for ever. */
  swallow(): void {
    this.#swallows = true;
    this.stop();
    this.#from.resume();
  }

  /** Loses what is on its way. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#onItsWay = [];
    this.#bytesOnTheirWay = 0;
  }

  #take(bytes: Buffer | null): void {
    if (this.#swallows) return;
    if (this.#pace === undefined && this.#onItsWay.length === 0) this.#send(bytes);
    else this.#delay(bytes, this.#pace ?? { bytesPerSecond: Number.POSITIVE_INFINITY, latencyMs: 0 });
    this.#flow();
  }

  #delay(bytes: Buffer | null, { bytesPerSecond, latencyMs }: Pace): void {
    const size = Math.max(1, Math.floor(bytesPerSecond / PIECES_PER_SECOND));
    for (const piece of bytes === null ? [null] : pieces(bytes, size)) {
      const length = piece?.length ?? 0;
      this.#busyUntil = Math.max(performance.now() + latencyMs, this.#busyUntil) + (length / bytesPerSecond) * 1_000;
      this.#onItsWay.push({ at: this.#busyUntil, bytes: piece });
      this.#bytesOnTheirWay += length;
    }
    this.#schedule();
  }

  #schedule(): void {
    const [next] = this.#onItsWay;
    if (next === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#deliver(performance.now());
      },
      Math.max(0, next.at - performance.now()),
    );
  }

  #deliver(now: number): void {
    for (let next = this.#onItsWay[0]; next !== undefined && next.at <= now; next = this.#onItsWay[0]) {
      this.#onItsWay.shift();
      this.#bytesOnTheirWay -= next.bytes?.length ?? 0;
      this.#send(next.bytes);
    }
    this.#schedule();
    this.#flow();
  }

  #send(bytes: Buffer | null): void {
    if (!this.#to.writable) return;
    if (bytes === null) this.#to.end();
    else this.#to.write(bytes);
  }

  /** Lets the sender feel a receiver that does not read: what the wire itself holds is bounded. */
  #flow(): void {
    if (this.#swallows) return;
    const held = this.#bytesOnTheirWay + this.#to.writableLength;
    if (held >= this.#to.writableHighWaterMark) this.#from.pause();
    else this.#from.resume();
  }
}

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
