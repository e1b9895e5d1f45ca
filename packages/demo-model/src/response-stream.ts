import type { ServerResponse } from 'node:http';
import type { ErrorEnvelope } from './error-envelope.ts';
import { sendJson } from './json-response.ts';
import type { ResponseEvent } from './response-part.ts';
import type { ResponseTranslator } from './response-translator.ts';
import type { Usage } from './script.ts';
import type { TurnOutput } from './turn-output.ts';
import type { Delta } from './turn-plan.ts';

/** A response as server-sent events. Everything added between two flushes is one write. */
export class ResponseStream implements TurnOutput {
  readonly #response: ServerResponse;
  readonly #translator: ResponseTranslator;
  #pending = '';
  #begun = false;

  constructor(response: ServerResponse, translator: ResponseTranslator) {
    this.#response = response;
    this.#translator = translator;
  }

  add(delta: Delta): void {
    this.#begin();
    this.#append(this.#translator.add(delta));
  }

  flush(): boolean {
    this.#begin();
    if (this.#pending !== '') {
      this.#response.write(this.#pending);
      this.#pending = '';
    }
    return this.#response.writableNeedDrain;
  }

  finish(reason: string, usage: Usage | null): void {
    this.#begin();
    this.#append(this.#translator.finish(reason, usage, Math.floor(Date.now() / 1000)).events);
    this.#response.end(this.#pending);
  }

  reject(status: number, retryAfter: string | null, error: ErrorEnvelope): void {
    sendJson(this.#response, status, error, retryAfter === null ? {} : { 'retry-after': retryAfter });
  }

  fail(error: ErrorEnvelope): void {
    this.#begin();
    this.#append(this.#translator.fail(error));
    this.#response.end(this.#pending);
  }

  cut(): void {
    if (this.#pending === '') this.#response.destroy();
    else this.#response.write(this.#pending, () => this.#response.destroy());
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
    this.#append(this.#translator.begin());
  }

  #append(events: ResponseEvent[]): void {
    for (const event of events) this.#pending += `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
  }
}
