import type { ErrorEnvelope } from './error-envelope.ts';
import { logprobOf } from './logprobs.ts';
import { CallItem, type ItemStatus, type ResponseItem, TextItem } from './response-item.ts';
import { type ResponseHead, type ResponseState, responseObject } from './response-object.ts';
import type { ResponseEvent } from './response-part.ts';
import type { Usage } from './script.ts';
import type { Delta, ToolCallDelta } from './turn-plan.ts';

/** What a translation starts from. `hex` tells the response from all others. */
export interface TranslationStart extends Omit<ResponseHead, 'id'> {
  hex: string;
  /** How many alternatives each token comes with; null: no log probabilities. */
  topLogprobs: number | null;
}

/** Translates the content chunks of a turn to the events of the Responses API. Pure: chunks in, numbered events out. */
export class ResponseTranslator {
  readonly #start: TranslationStart;
  readonly #head: ResponseHead;
  readonly #output: object[] = [];
  #open: ResponseItem | null = null;
  #items = 0;
  #number = 0;

  constructor(start: TranslationStart) {
    this.#start = start;
    this.#head = { ...start, id: `resp_${start.hex}` };
  }

  /** The events before anything is said. */
  begin(): ResponseEvent[] {
    const response = this.#response({});
    return this.#numbered([
      { type: 'response.created', response },
      { type: 'response.in_progress', response },
    ]);
  }

  /** The events that say a content chunk. */
  add(delta: Delta): ResponseEvent[] {
    return this.#numbered([...this.#eventsOf(delta)]);
  }

  /** The response as it ends with a finish reason of chat completions. `now` in seconds since the epoch. */
  finish(reason: string, usage: Usage | null, now: number): { events: ResponseEvent[]; response: object } {
    const ending = endingOf(reason);
    const events = this.#endItem(ending.status === 'completed' ? 'completed' : 'incomplete');
    const response = this.#response({ ...ending, usage, completedAt: ending.status === 'completed' ? now : null });
    return { events: this.#numbered([...events, { type: `response.${ending.status}`, response }]), response };
  }

  /** The events of an error after the answer has begun; the open item stays without an end. */
  fail({ error }: ErrorEnvelope): ResponseEvent[] {
    const output = [...this.#output, ...(this.#open === null ? [] : [this.#open.view('incomplete')])];
    const told = { code: error.code ?? error.type, message: error.message };
    return this.#numbered([
      { type: 'error', error },
      { type: 'response.failed', response: this.#response({ status: 'failed', error: told, output }) },
    ]);
  }

  *#eventsOf(delta: Delta): Generator<ResponseEvent, void, void> {
    if ('content' in delta) {
      const { topLogprobs } = this.#start;
      const message = yield* this.#textItem('message');
      const logprobs = topLogprobs === null ? [] : [logprobOf(delta.content, topLogprobs)];
      yield* message.say('output_text', delta.content, logprobs);
    } else if ('refusal' in delta) {
      const message = yield* this.#textItem('message');
      yield* message.say('refusal', delta.refusal);
    } else if ('annotations' in delta) {
      const message = yield* this.#textItem('message');
      for (const annotation of delta.annotations) yield* message.annotate(annotation);
    } else if ('reasoning_content' in delta) {
      const reasoning = yield* this.#textItem('reasoning');
      yield* reasoning.say('reasoning_text', delta.reasoning_content);
    } else if ('reasoning_details' in delta) {
      const reasoning = yield* this.#textItem('reasoning');
      for (const { summary } of delta.reasoning_details) yield* reasoning.say('summary_text', summary);
    } else {
      for (const call of delta.tool_calls) yield* this.#call(call);
    }
  }

  /** The open item if it is of the type, else a new one. */
  *#textItem(type: TextItem['type']): Generator<ResponseEvent, TextItem, void> {
    if (this.#open instanceof TextItem && this.#open.type === type) return this.#open;
    const item = new TextItem(type, this.#nextHex(), this.#items);
    yield* this.#openItem(item);
    return item;
  }

  /** A chunk with an id begins a call; the calls of a plan come one after the other. */
  *#call({ id, function: { name = '', arguments: json } }: ToolCallDelta): Generator<ResponseEvent, void, void> {
    if (id !== undefined) yield* this.#openItem(new CallItem(id, name, this.#nextHex(), this.#items));
    if (this.#open instanceof CallItem && json !== '') yield* this.#open.say(json);
  }

  *#openItem(item: ResponseItem): Generator<ResponseEvent, void, void> {
    yield* this.#endItem('completed');
    this.#open = item;
    this.#items += 1;
    yield { type: 'response.output_item.added', output_index: item.outputIndex, item: item.view('in_progress') };
  }

  #endItem(status: ItemStatus): ResponseEvent[] {
    const open = this.#open;
    if (open === null) return [];
    this.#open = null;
    const item = open.view(status);
    this.#output.push(item);
    return [...open.end(), { type: 'response.output_item.done', output_index: open.outputIndex, item }];
  }

  #nextHex(): string {
    return `${this.#start.hex}${this.#items.toString(16).padStart(4, '0')}`;
  }

  #response(state: Partial<ResponseState>): object {
    return responseObject(this.#head, {
      status: 'in_progress',
      output: [...this.#output],
      usage: null,
      error: null,
      incompleteReason: null,
      completedAt: null,
      ...state,
    });
  }

  #numbered(events: ResponseEvent[]): ResponseEvent[] {
    return events.map(({ type, ...rest }) => {
      const event = { type, sequence_number: this.#number, ...rest };
      this.#number += 1;
      return event;
    });
  }
}

function endingOf(reason: string): Pick<ResponseState, 'status' | 'incompleteReason' | 'error'> {
  if (reason === 'length') return { status: 'incomplete', incompleteReason: 'max_output_tokens', error: null };
  if (reason === 'content_filter') return { status: 'incomplete', incompleteReason: 'content_filter', error: null };
  if (reason !== 'error') return { status: 'completed', incompleteReason: null, error: null };
  const error = { code: 'server_error', message: 'The demo model was asked to finish with an error.' };
  return { status: 'failed', incompleteReason: null, error };
}
