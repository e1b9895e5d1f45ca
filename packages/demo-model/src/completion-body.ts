import type { ServerResponse } from 'node:http';
import { type CompletionHead, usageObject } from './completion-head.ts';
import type { ErrorEnvelope } from './error-envelope.ts';
import { sendJson } from './json-response.ts';
import { logprobOf, type TokenLogprob } from './logprobs.ts';
import type { Usage } from './script.ts';
import type { TurnOutput } from './turn-output.ts';
import type { Delta, ToolCallDelta, UrlCitation } from './turn-plan.ts';

interface WholeCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** A completion as one JSON body, sent when the turn is over. */
export class CompletionBody implements TurnOutput {
  readonly #response: ServerResponse;
  readonly #head: CompletionHead;
  readonly #topLogprobs: number | null;
  readonly #calls: WholeCall[] = [];
  readonly #annotations: UrlCitation[] = [];
  readonly #logprobs: TokenLogprob[] = [];
  #content = '';
  #reasoning = '';
  #summary = '';
  #refusal = '';

  constructor(response: ServerResponse, head: CompletionHead, topLogprobs: number | null) {
    this.#response = response;
    this.#head = head;
    this.#topLogprobs = topLogprobs;
  }

  add(delta: Delta): void {
    if ('content' in delta) {
      this.#content += delta.content;
      if (this.#topLogprobs !== null) this.#logprobs.push(logprobOf(delta.content, this.#topLogprobs));
    } else if ('reasoning_content' in delta) this.#reasoning += delta.reasoning_content;
    else if ('reasoning_details' in delta) for (const { summary } of delta.reasoning_details) this.#summary += summary;
    else if ('annotations' in delta) this.#annotations.push(...delta.annotations);
    else if ('refusal' in delta) this.#refusal += delta.refusal;
    else for (const call of delta.tool_calls) this.#addCall(call);
  }

  flush(): boolean {
    return false;
  }

  finish(reason: string, usage: Usage | null): void {
    const silent = this.#content === '' && (this.#calls.length > 0 || this.#refusal !== '');
    const message = {
      role: 'assistant',
      content: silent ? null : this.#content,
      refusal: this.#refusal === '' ? null : this.#refusal,
      ...(this.#reasoning === '' ? {} : { reasoning_content: this.#reasoning }),
      ...(this.#summary === '' ? {} : { reasoning_details: [{ type: 'reasoning.summary', summary: this.#summary }] }),
      ...(this.#annotations.length === 0 ? {} : { annotations: this.#annotations }),
      ...(this.#calls.length === 0 ? {} : { tool_calls: this.#calls }),
    };
    const logprobs = this.#topLogprobs === null ? null : { content: this.#logprobs, refusal: null };
    const { id, ...rest } = this.#head;
    sendJson(this.#response, 200, {
      id,
      object: 'chat.completion',
      ...rest,
      choices: [{ index: 0, message, logprobs, finish_reason: reason }],
      ...(usage === null ? {} : { usage: usageObject(usage) }),
    });
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

  #addCall(delta: ToolCallDelta): void {
    const known = this.#calls[delta.index];
    if (known !== undefined) {
      known.function.arguments += delta.function.arguments;
      return;
    }
    const { name = '', arguments: json } = delta.function;
    this.#calls[delta.index] = { id: delta.id ?? '', type: 'function', function: { name, arguments: json } };
  }
}
