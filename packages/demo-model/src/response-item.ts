import type { TokenLogprob } from './logprobs.ts';
import { type PartKind, type ResponseEvent, ResponsePart } from './response-part.ts';
import type { UrlCitation } from './turn-plan.ts';

/** How far an item is. */
export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** An item of the output while it is said. */
export interface ResponseItem {
  readonly outputIndex: number;
  /** The item as it stands. */
  view(status: ItemStatus): object;
  /** The events that end what is open inside it. */
  end(): ResponseEvent[];
}

/** A message or a reasoning item: texts in parts, one open at a time. */
export class TextItem implements ResponseItem {
  readonly type: 'message' | 'reasoning';
  readonly outputIndex: number;
  readonly #id: string;
  readonly #content: ResponsePart[] = [];
  readonly #summary: ResponsePart[] = [];
  #open: ResponsePart | null = null;

  /** `hex` tells the item from all others. */
  constructor(type: 'message' | 'reasoning', hex: string, outputIndex: number) {
    this.type = type;
    this.outputIndex = outputIndex;
    this.#id = `${type === 'message' ? 'msg' : 'rs'}_${hex}`;
  }

  view(status: ItemStatus): object {
    const content = this.#content.map((part) => part.view());
    if (this.type === 'message') return { type: this.type, id: this.#id, status, role: 'assistant', content };
    return { type: this.type, id: this.#id, status, summary: this.#summary.map((part) => part.view()), content };
  }

  say(kind: PartKind, delta: string, logprobs: TokenLogprob[] = []): ResponseEvent[] {
    const { part, events } = this.#partOf(kind);
    return [...events, part.say(delta, logprobs)];
  }

  annotate(citation: UrlCitation): ResponseEvent[] {
    const { part, events } = this.#partOf('output_text');
    return [...events, part.annotate(citation)];
  }

  end(): ResponseEvent[] {
    const events = this.#open?.end() ?? [];
    this.#open = null;
    return events;
  }

  /** The open part if it is of the kind, else a new one with the events that lead to it. */
  #partOf(kind: PartKind): { part: ResponsePart; events: ResponseEvent[] } {
    if (this.#open?.kind === kind) return { part: this.#open, events: [] };
    const events = this.end();
    const list = kind === 'summary_text' ? this.#summary : this.#content;
    const part = new ResponsePart(kind, this.#id, this.outputIndex, list.length);
    events.push(part.begin());
    list.push(part);
    this.#open = part;
    return { part, events };
  }
}

/** A function call. */
export class CallItem implements ResponseItem {
  readonly outputIndex: number;
  readonly #id: string;
  readonly #callId: string;
  readonly #name: string;
  #arguments = '';

  /** `hex` tells the item from all others. */
  constructor(callId: string, name: string, hex: string, outputIndex: number) {
    this.outputIndex = outputIndex;
    this.#id = `fc_${hex}`;
    this.#callId = callId;
    this.#name = name;
  }

  view(status: ItemStatus): object {
    const call = { call_id: this.#callId, name: this.#name, arguments: this.#arguments };
    return { type: 'function_call', id: this.#id, status, ...call };
  }

  say(delta: string): ResponseEvent[] {
    this.#arguments += delta;
    return [{ type: 'response.function_call_arguments.delta', ...this.#place(), delta }];
  }

  end(): ResponseEvent[] {
    const whole = { name: this.#name, arguments: this.#arguments };
    return [{ type: 'response.function_call_arguments.done', ...this.#place(), ...whole }];
  }

  #place(): object {
    return { item_id: this.#id, output_index: this.outputIndex };
  }
}
