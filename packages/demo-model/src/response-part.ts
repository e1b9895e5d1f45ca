import type { TokenLogprob } from './logprobs.ts';
import type { UrlCitation } from './turn-plan.ts';

/** An event before it has its number. */
export interface ResponseEvent {
  type: string;
  [field: string]: unknown;
}

/** The kinds of part that a message (the first two) or a reasoning item (the others) has. */
export type PartKind = 'output_text' | 'refusal' | 'reasoning_text' | 'summary_text';

interface Wording {
  /** Events of the part, before `.added` and `.done`. */
  part: string;
  /** Events of its text, before `.delta` and `.done`. */
  text: string;
  field: 'text' | 'refusal';
  index: 'content_index' | 'summary_index';
}

const wordings: Record<PartKind, Wording> = {
  output_text: {
    part: 'response.content_part',
    text: 'response.output_text',
    field: 'text',
    index: 'content_index',
  },
  refusal: {
    part: 'response.content_part',
    text: 'response.refusal',
    field: 'refusal',
    index: 'content_index',
  },
  reasoning_text: {
    part: 'response.content_part',
    text: 'response.reasoning_text',
    field: 'text',
    index: 'content_index',
  },
  summary_text: {
    part: 'response.reasoning_summary_part',
    text: 'response.reasoning_summary_text',
    field: 'text',
    index: 'summary_index',
  },
};

/** A part of an item while it is said, and the events that say it. */
export class ResponsePart {
  readonly kind: PartKind;
  readonly #wording: Wording;
  readonly #place: Record<string, unknown>;
  readonly #annotations: object[] = [];
  readonly #logprobs: TokenLogprob[] = [];
  #text = '';

  /** `index` is the part's place among those of its kind's list (content or summary). */
  constructor(kind: PartKind, itemId: string, outputIndex: number, index: number) {
    this.kind = kind;
    this.#wording = wordings[kind];
    this.#place = { item_id: itemId, output_index: outputIndex, [this.#wording.index]: index };
  }

  /** The part as it stands. */
  view(): object {
    const { kind } = this;
    const part = { type: kind, [this.#wording.field]: this.#text };
    return kind === 'output_text'
      ? { ...part, annotations: [...this.#annotations], logprobs: [...this.#logprobs] }
      : part;
  }

  begin(): ResponseEvent {
    return { type: `${this.#wording.part}.added`, ...this.#place, part: this.view() };
  }

  say(delta: string, logprobs: TokenLogprob[]): ResponseEvent {
    this.#text += delta;
    this.#logprobs.push(...logprobs);
    return { type: `${this.#wording.text}.delta`, ...this.#place, delta, ...this.#withLogprobs(logprobs) };
  }

  /** The span of a citation is that of this part's text: other parts of the turn do not count. */
  annotate({ type, url_citation: { url, title } }: UrlCitation): ResponseEvent {
    const annotation = { type, start_index: 0, end_index: this.#text.length, url, title };
    const annotation_index = this.#annotations.push(annotation) - 1;
    return { type: `${this.#wording.text}.annotation.added`, ...this.#place, annotation_index, annotation };
  }

  end(): ResponseEvent[] {
    const { part, text, field } = this.#wording;
    return [
      { type: `${text}.done`, ...this.#place, [field]: this.#text, ...this.#withLogprobs(this.#logprobs) },
      { type: `${part}.done`, ...this.#place, part: this.view() },
    ];
  }

  #withLogprobs(logprobs: TokenLogprob[]): object {
    return this.kind === 'output_text' ? { logprobs: [...logprobs] } : {};
  }
}
