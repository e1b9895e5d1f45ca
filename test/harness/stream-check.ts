/** A stream judged as its bytes pass: each frame, each event, and their order. */
import { isDeepStrictEqual } from 'node:util';
import { FoldError, foldEvents, type ResponseEvent, TERMINAL_EVENTS } from '@tailrace/protocol';
import { StreamParts } from './stream-parts.ts';
import type { Report, WireValues } from './wire-values.ts';

/** What is known of a stream before it begins. */
export interface StreamCheckOptions {
  /** The number of the last event that the client had seen; -1 for none. */
  after: number;
  /** Whether the request asked for `response.reasoning_text.*` in place of the specification's names. */
  openaiNames: boolean;
  /** Whether logs have been lost or have expired: then numbers may jump forward. */
  mayJump: () => boolean;
}

const FRAME = /^event: ([^\n]+)\nid: (\d+)\ndata: [^\n]+$/;
const DATA = /^data: (.+)$/m;
const REASONING = /^response\.reasoning\.(delta|done)$/;
const REASONING_TEXT = /^response\.reasoning_text\.(delta|done)$/;

/** Judges one stream. It keeps the events of a stream from its beginning until the last one, to fold them. */
export class StreamCheck {
  readonly #values: WireValues;
  readonly #report: Report;
  readonly #options: StreamCheckOptions;
  readonly #parts = new StreamParts();
  #last: ResponseEvent | undefined;
  #whole: ResponseEvent[] | undefined = [];
  #done = false;

  constructor(values: WireValues, report: Report, options: StreamCheckOptions) {
    this.#values = values;
    this.#report = report;
    this.#options = options;
  }

  chunk(bytes: Uint8Array): void {
    for (const part of this.#parts.take(bytes)) this.#part(part);
  }

  /** The stream has ended, and was not cut. */
  end(): void {
    if (this.#parts.rest !== '') this.#report('stream', 'it ends inside a frame');
    if (!this.#done) this.#report('stream', 'it ends without [DONE]');
  }

  #part(part: string): void {
    if (this.#done) this.#report('stream', 'something follows [DONE]');
    if (part.startsWith(':')) return;
    if (part !== 'data: [DONE]') {
      this.#frame(part);
      return;
    }
    this.#done = true;
    const ended = this.#last === undefined ? this.#options.after >= 0 : TERMINAL_EVENTS.has(this.#last.type);
    if (!ended) this.#report('stream', `[DONE] follows ${this.#last?.type ?? 'nothing'}`);
  }

  #frame(frame: string): void {
    const [, name, id] = FRAME.exec(frame) ?? [];
    if (name === undefined) this.#report('stream', `not a frame of an event: ${JSON.stringify(frame.slice(0, 100))}`);
    const sent: unknown = parse(DATA.exec(frame)?.[1] ?? '');
    if (typeof sent !== 'object' || sent === null || !('type' in sent)) {
      this.#report('stream', 'the data of a frame is no event');
      return;
    }
    if (name !== undefined && sent.type !== name)
      this.#report('stream', `event: ${name} has the type ${String(sent.type)}`);
    const { sequence_number: number } = sent as { sequence_number?: unknown };
    if (id !== undefined && String(number) !== id)
      this.#report('stream', `the id of ${name} is not its sequence_number`);
    const event = { ...sent, type: this.#specifiedName(String(sent.type)) };
    this.#values.event(event, (by, what) => this.#report(by, `${event.type} ${what}`));
    // Values that the schemas refuse have been reported; from here on they are taken for what they claim to be.
    this.#order(event as ResponseEvent);
  }

  /** The specification's name of an event; a name of the other family is wrong. */
  #specifiedName(type: string): string {
    if (!this.#options.openaiNames) return type;
    if (REASONING.test(type)) this.#report('stream', `${type} where response.reasoning_text.* was asked for`);
    return type.replace(REASONING_TEXT, 'response.reasoning.$1');
  }

  #order(event: ResponseEvent): void {
    const last = this.#last;
    const expected = (last?.sequence_number ?? this.#options.after) + 1;
    const { sequence_number: number } = event;
    if (number < expected) this.#report('stream', `${event.type} goes back in its number`);
    if (number > expected && !this.#options.mayJump())
      this.#report('stream', `numbers are left out before ${event.type}`);
    if (last && TERMINAL_EVENTS.has(last.type)) this.#report('stream', `${event.type} follows the last event`);
    if (last?.type === 'error' && event.type !== 'response.failed') {
      this.#report('stream', `${event.type} follows an error`);
    }
    if (last && last.type !== 'error' && event.type === 'response.failed') {
      this.#report('stream', 'response.failed without an error before it');
    }
    this.#last = event;
    if (!last && event.type !== 'response.created') this.#whole = undefined;
    // A log that was lost has begun anew.
    if (last && event.type === 'response.created' && this.#options.mayJump()) this.#whole = [];
    this.#whole?.push(event);
    if (TERMINAL_EVENTS.has(event.type)) this.#fold();
  }

  /** What the events add up to is what the last one says. */
  #fold(): void {
    const events = this.#whole;
    const last = events?.at(-1);
    if (!events || !last) return;
    this.#whole = undefined;
    try {
      const { output } = foldEvents(events);
      const said = 'response' in last ? last.response.output : undefined;
      if (!isDeepStrictEqual(output, said)) {
        this.#report('stream', `the events do not add up to the output of ${last.type}`);
      }
    } catch (error) {
      if (!(error instanceof FoldError || error instanceof TypeError)) throw error;
      this.#report('stream', `the events do not follow from each other: ${error.message}`);
    }
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
