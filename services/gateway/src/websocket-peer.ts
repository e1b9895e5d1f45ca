import type { WebSocket } from 'ws';

/** How a client at the other end is dealt with. */
export interface PeerOptions {
  /** Bytes that may wait for the client before {@link WebSocketPeer.send} waits with them. */
  bufferBytes: number;
  /** Milliseconds between two looks whether the client is still there. */
  keepAliveMs: number;
}

/** Milliseconds in which a client must answer the closing of a connection. */
const CLOSE_MS = 2_000;

/** The client at the other end of a WebSocket: sent to at its pace, and given up when it shows no sign of life. */
export class WebSocketPeer {
  readonly #socket: WebSocket;
  readonly #options: PeerOptions;
  #alive = true;

  constructor(socket: WebSocket, options: PeerOptions) {
    this.#socket = socket;
    this.#options = options;
    const live = () => {
      this.#alive = true;
    };
    for (const sign of ['message', 'ping', 'pong'] as const) socket.on(sign, live);
    const timer = setInterval(() => this.#look(), options.keepAliveMs);
    socket.once('close', () => clearInterval(timer));
  }

  /** Sends one text message. Resolves when the client takes more, or has gone. */
  async send(message: Uint8Array | string): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const sent = new Promise<void>((resolve) => {
      this.#socket.send(message, { binary: false }, (error) => {
        // A client that takes what it is sent is there, even if its answer to a ping waits behind much else.
        if (!error) this.#alive = true;
        resolve();
      });
    });
    if (this.#socket.bufferedAmount > this.#options.bufferBytes) await sent;
  }

  /** Says goodbye; a client that does not answer is gone soon all the same. */
  close(code: number): void {
    this.#socket.close(code);
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_MS);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  #look(): void {
    if (!this.#alive) {
      this.#socket.terminate();
      return;
    }
    this.#alive = false;
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }
}
