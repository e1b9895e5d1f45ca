import { connect, type Socket } from 'node:net';
import type { Pace } from './pace.ts';
import { Pump } from './pump.ts';

/** Where a wire leads to. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** One connection through a proxy: the client's socket, the one to the server, and what passes between them. */
export class Wire {
  readonly #inside: Socket;
  readonly #outside: Socket | undefined;
  readonly #pumps: readonly Pump[];
  readonly #onClose: () => void;
  #isLost = false;

  /** @param to left out, there is no server: the wire leads nowhere, and swallows. */
  constructor(inside: Socket, to: Address | undefined, pace: Pace | undefined, onClose: () => void) {
    this.#inside = inside;
    this.#onClose = onClose;
    inside.setNoDelay(true);
    this.#outside = to && connect({ ...to, allowHalfOpen: true, noDelay: true });
    const sockets = this.#outside === undefined ? [inside] : [inside, this.#outside];
    // An end that fails says so by `close`; what it failed by is no concern of the wire.
    for (const socket of sockets) socket.on('error', () => undefined).on('close', (failed) => this.#closed(failed));
    this.#pumps = this.#outside
      ? [new Pump(inside, this.#outside, pace), new Pump(this.#outside, inside, pace)]
      : [new Pump(inside, inside, undefined)];
    if (to === undefined) this.swallow();
  }

  /** Whether bytes may have been lost on it: it can never pass anything again. */
  get isLost(): boolean {
    return this.#isLost;
  }

  set pace(pace: Pace | undefined) {
    for (const pump of this.#pumps) pump.pace = pace;
  }

  /** Both ends stay as they are; nothing that one does reaches the other any more. */
  swallow(): void {
    this.#isLost = true;
    for (const pump of this.#pumps) pump.swallow();
  }

  /** Both ends learn that it is broken. */
  reset(): void {
    for (const pump of this.#pumps) pump.stop();
    this.#inside.resetAndDestroy();
    this.#outside?.resetAndDestroy();
    this.#onClose();
  }

  #closed(failed: boolean): void {
    const isOver = this.#inside.destroyed && this.#outside?.destroyed !== false;
    if (isOver) this.#onClose();
    else if (failed && !this.#isLost) this.reset();
  }
}
