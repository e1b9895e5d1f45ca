/** One WebSocket from its opening to its end: its turns run one after another, and it ends only between two of them. */
import { ApiError } from '@tailrace/protocol';
import type { RawData, WebSocket } from 'ws';
import { errorMessage } from './websocket-messages.ts';
import type { WebSocketPeer } from './websocket-peer.ts';

/** What bounds a connection. */
export interface SessionLimits {
  /** Milliseconds that it may be open. */
  maxMs: number;
  /** Messages that may wait for their turn, and their bytes. */
  queuedTurns: number;
  queuedBytes: number;
}

/** Runs one turn to its end; never rejects for what a client has done. */
export type RunTurn = (text: string, signal: AbortSignal) => Promise<void>;

const NORMAL = 1000;
const GOING_AWAY = 1001;

/** See the file's head. */
export class WebSocketSession {
  readonly #peer: WebSocketPeer;
  readonly #limits: SessionLimits;
  readonly #run: RunTurn;
  readonly #abort = new AbortController();
  readonly #queue: string[] = [];
  #queuedBytes = 0;
  #running = false;
  /** Why nothing new is begun. */
  #ending: { error: ApiError; told: boolean; code: number } | undefined;

  constructor(socket: WebSocket, peer: WebSocketPeer, limits: SessionLimits, run: RunTurn) {
    this.#peer = peer;
    this.#limits = limits;
    this.#run = run;
    const timer = setTimeout(() => {
      const minutes = Math.round(limits.maxMs / 600) / 100;
      this.#end(new ApiError('websocket_connection_limit_reached', { minutes }), { told: true, code: NORMAL });
    }, limits.maxMs);
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.once('close', () => {
      clearTimeout(timer);
      this.#queue.length = 0;
      this.#abort.abort();
    });
  }

  /** The gateway stops: an idle connection is closed at once, others after the turn that runs. */
  drain(): void {
    const error = new ApiError('unavailable', { reason: 'this gateway is stopping' });
    this.#end(error, { told: false, code: GOING_AWAY });
  }

  /** There is no time left: the response that runs goes on without this connection. */
  cut(): void {
    this.#abort.abort();
    this.#peer.close(GOING_AWAY);
  }

  /** @param error What those get that wait for their turn; `told` also when nobody waits. */
  #end(error: ApiError, how: { told: boolean; code: number }): void {
    this.#ending ??= { error, ...how };
    if (!this.#running) void this.#next();
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (isBinary) {
      void this.#refuse(new ApiError('invalid_json', { reason: 'it came as a binary message' }));
      return;
    }
    const text = textOf(data);
    const full = this.#queue.length >= this.#limits.queuedTurns;
    const large = this.#queue.length > 0 && this.#queuedBytes + text.length > this.#limits.queuedBytes;
    if (this.#running && (full || large)) {
      void this.#refuse(new ApiError('overloaded'));
      return;
    }
    this.#queue.push(text);
    this.#queuedBytes += text.length;
    if (!this.#running) void this.#next();
  }

  /** Runs turns until none waits. */
  async #next(): Promise<void> {
    this.#running = true;
    try {
      for (;;) {
        if (this.#ending) {
          await this.#close(this.#ending);
          return;
        }
        const text = this.#queue.shift();
        if (text === undefined) return;
        this.#queuedBytes -= text.length;
        await this.#run(text, this.#abort.signal);
      }
    } finally {
      this.#running = false;
    }
  }

  async #close({ error, told, code }: { error: ApiError; told: boolean; code: number }): Promise<void> {
    const answers = Math.max(this.#queue.length, told ? 1 : 0);
    this.#queue.length = 0;
    for (let answer = 0; answer < answers; answer += 1) await this.#refuse(error);
    this.#peer.close(code);
  }

  async #refuse(error: ApiError): Promise<void> {
    await this.#peer.send(errorMessage(error));
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return Buffer.isBuffer(data) ? data.toString() : Buffer.from(data).toString();
}
