import type { ServerResponse } from 'node:http';
import type { ErrorEnvelope } from './error-envelope.ts';
import { sendJson } from './json-response.ts';
import type { ResponseTranslator } from './response-translator.ts';
import type { Usage } from './script.ts';
import type { TurnOutput } from './turn-output.ts';
import type { Delta } from './turn-plan.ts';

/** A response as one JSON body, sent when the turn is over. */
export class ResponseBody implements TurnOutput {
  readonly #response: ServerResponse;
  readonly #translator: ResponseTranslator;

  constructor(response: ServerResponse, translator: ResponseTranslator) {
    this.#response = response;
    this.#translator = translator;
  }

  add(delta: Delta): void {
    this.#translator.add(delta);
  }

  flush(): boolean {
    return false;
  }

  finish(reason: string, usage: Usage | null): void {
    sendJson(this.#response, 200, this.#translator.finish(reason, usage, Math.floor(Date.now() / 1000)).response);
  }

  reject(status: number, retryAfter: string | null, error: ErrorEnvelope): void {
    sendJson(this.#response, status, error, retryAfter === null ? {} : { 'retry-after': retryAfter });
  }

  fail(error: ErrorEnvelope): void {
    sendJson(this.#response, 500, error);
  }

  cut(): void {
    this.#response.destroy();
  }
}
