/** A client over a WebSocket that judges every message it gets, and keeps those that nobody has asked for yet. */
import { once } from 'node:events';
import { type ResponseEvent, type ResponseResource, TERMINAL_EVENTS } from '@tailrace/protocol';
import { type ClientOptions, WebSocket } from 'ws';
import type { WireChecks } from '../harness/wire-checks.ts';

/** An error as it is told over a WebSocket. */
export interface SocketError {
  type: 'error';
  status: number;
  error: { type: string; code: string; message: string; param: string | null };
}

/** A message of the server. */
export type SocketMessage = ResponseEvent | SocketError;

/** What came of a turn. */
export interface Turn {
  /** Everything that was sent for it, as it was sent. */
  texts: string[];
  events: ResponseEvent[];
  response: ResponseResource;
}

/** How to connect. */
export interface ConnectOptions extends ClientOptions {
  /** The base URL of a gateway. */
  url: string;
  apiKey: string;
  /** Who judges the messages. */
  checks: WireChecks;
  /** Whether there is more to judge than secrets: not for names that the specification does not have. True by default. */
  isJudged?: boolean;
}

/** See the file's head. */
export class WebSocketClient {
  readonly socket: WebSocket;
  /** Settles with the code once the connection is closed. */
  readonly closed: Promise<number>;
  readonly #checks: WireChecks;
  readonly #texts: string[] = [];
  #wake: (() => void) | undefined;

  constructor({ url, apiKey, checks, isJudged = true, ...options }: ConnectOptions) {
    this.#checks = checks;
    const headers = { authorization: `Bearer ${apiKey}`, ...options.headers };
    this.socket = new WebSocket(`${url.replace('http', 'ws')}/v1/responses`, { ...options, headers });
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code) => {
        resolve(code);
        this.#wake?.();
      });
    });
    this.socket.on('message', (data, isBinary) => {
      if (isBinary) throw new Error('the server sends text only');
      const text = data.toString();
      checks.socketMessage(text, isJudged);
      this.#texts.push(text);
      this.#wake?.();
    });
  }

  /** Connects; rejects when the upgrade is refused. */
  static async open(options: ConnectOptions): Promise<WebSocketClient> {
    const client = new WebSocketClient(options);
    await once(client.socket, 'open');
    return client;
  }

  /** Sends a `response.create`. */
  create(body: Record<string, unknown>): void {
    const text = JSON.stringify({ type: 'response.create', model: 'demo', ...body });
    this.#checks.sent('/v1/responses', null, text);
    this.socket.send(text);
  }

  /** The next message as text. */
  async text(): Promise<string> {
    for (;;) {
      const text = this.#texts.shift();
      if (text !== undefined) return text;
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error('the connection is closed');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next message. */
  async message(): Promise<SocketMessage> {
    return JSON.parse(await this.text()) as SocketMessage;
  }

  /** The next message, which has to be an error. */
  async error(): Promise<SocketError> {
    const message = await this.message();
    if (message.type !== 'error' || !('status' in message)) throw new Error(`no error: ${JSON.stringify(message)}`);
    return message;
  }

  /** The messages up to the end of the next response; an error is thrown. */
  async turn(): Promise<Turn> {
    const texts: string[] = [];
    const events: ResponseEvent[] = [];
    for (;;) {
      const text = await this.text();
      texts.push(text);
      const event = JSON.parse(text) as SocketMessage;
      if (event.type === 'error') throw new Error(`an error instead of a response: ${text}`);
      events.push(event);
      if (TERMINAL_EVENTS.has(event.type) && 'response' in event) return { texts, events, response: event.response };
    }
  }

  /** A whole turn. */
  async ask(body: Record<string, unknown>): Promise<Turn> {
    this.create(body);
    return this.turn();
  }

  /** A request that has to be refused. */
  async refused(body: Record<string, unknown>): Promise<SocketError> {
    this.create(body);
    return this.error();
  }

  /** Ends the connection without any farewell. */
  async leave(): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }

  async close(): Promise<number> {
    this.socket.close();
    return this.closed;
  }
}
