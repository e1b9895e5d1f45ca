import type { ServerResponse } from 'node:http';
import { type CompletionHead, usageObject } from './completion-head.ts';
import type { ErrorEnvelope } from './error-envelope.ts';
import { sendJson } from './json-response.ts';
import { logprobOf } from './logprobs.ts';
import type { Usage } from './script.ts';
import type { TurnOutput } from './turn-output.ts';
import type { Delta } from './turn-plan.ts';

/** A completion as server-sent events. Everything added between two flushes is one write. */
export class CompletionStream implements TurnOutput {
  readonly #response: ServerResponse;
  readonly #includeUsage: boolean;
  readonly #topLogprobs: number | null;
  readonly #prefix: string;
  readonly #suffix: string;
  readonly #usageField: string;
  #pending = '';
  #roleSent = false;

  constructor(response: ServerResponse, head: CompletionHead, includeUsage: boolean, topLogprobs: number | null) {
    this.#response = response;
    this.#includeUsage = includeUsage;
    this.#topLogprobs = topLogprobs;
    const { id, ...rest } = head;
    const common = JSON.stringify({ id, object: 'chat.completion.chunk', ...rest }).slice(0, -1);
    this.#prefix = `data: ${common},"choices":[`;
    this.#usageField = includeUsage ? ',"usage":null' : '';
    this.#suffix = `,"finish_reason":null}]${this.#usageField}}\n\n`;
  }

  add(delta: Delta): void {
    this.#begin();
    this.#pending += `${this.#prefix}{"index":0,"delta":${JSON.stringify(delta)},"logprobs":${this.#logprobs(delta)}${this.#suffix}`;
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
    const last = { index: 0, delta: {}, logprobs: null, finish_reason: reason };
    this.#pending += `${this.#prefix}${JSON.stringify(last)}]${this.#usageField}}\n\n`;
    if (this.#includeUsage && usage !== null) {
      this.#pending += `${this.#prefix}],"usage":${JSON.stringify(usageObject(usage))}}\n\n`;
    }
    this.#response.end(`${this.#pending}data: [DONE]\n\n`);
  }

  reject(status: number, retryAfter: string | null, error: ErrorEnvelope): void {
    sendJson(this.#response, status, error, retryAfter === null ? {} : { 'retry-after': retryAfter });
  }

  fail(error: ErrorEnvelope): void {
    this.#begin();
    this.#response.end(`${this.#pending}data: ${JSON.stringify(error)}\n\n`);
  }

  cut(): void {
    if (this.#pending === '') this.#response.destroy();
    else this.#response.write(this.#pending, () => this.#response.destroy());
  }

  #begin(): void {
    if (this.#roleSent) return;
    this.#roleSent = true;
    this.#response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
    this.#pending += `${this.#prefix}{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null${this.#suffix}`;
  }

  #logprobs(delta: Delta): string {
    if (this.#topLogprobs === null || !('content' in delta)) return 'null';
    return JSON.stringify({ content: [logprobOf(delta.content, this.#topLogprobs)], refusal: null });
  }
}
