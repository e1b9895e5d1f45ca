import type { ServerResponse } from 'node:http';
import { type CompletionHead, type CompletionOutput, usageObject } from './completion-output.ts';
import type { ErrorEnvelope } from './error-envelope.ts';
import { sendJson } from './json-response.ts';
import type { Usage } from './script.ts';
import type { Delta, ToolCallDelta } from './turn-plan.ts';

interface WholeCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** A completion as one JSON body, sent when the turn is over. */
export class CompletionBody implements CompletionOutput {
  readonly #response: ServerResponse;
  readonly #head: CompletionHead;
  readonly #calls: WholeCall[] = [];
  #content = '';
  #reasoning = '';
  #refusal = '';

  constructor(response: ServerResponse, head: CompletionHead) {
    this.#response = response;
    this.#head = head;
  }

  add(delta: Delta): void {
    if ('content' in delta) this.#content += delta.content;
    else if ('reasoning_content' in delta) this.#reasoning += delta.reasoning_content;
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
      ...(this.#calls.length === 0 ? {} : { tool_calls: this.#calls }),
    };
    const { id, created, model } = this.#head;
    sendJson(this.#response, 200, {
      id,
      object: 'chat.completion',
      created,
      model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: reason }],
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
