/**
 * What a client knows after a stream: an implementation of its own, so that it cannot share a mistake with the one that
 * the services use.
 */
import { isDeepStrictEqual } from 'node:util';
import type { StreamEvent } from './frame.ts';

/** Events that do not follow from each other. */
export class Unfoldable extends Error {
  constructor(event: StreamEvent | undefined, why: string) {
    super(event ? `event ${event.sequence_number} (${event.type}): ${why}` : why);
    this.name = 'Unfoldable';
  }
}

/** A response as JSON. */
export type Resource = Record<string, unknown>;

interface TextPlace {
  /** Where the parts are; null for a text of the item itself. */
  list: 'content' | 'summary' | null;
  field: string;
}

/** Which text the `.delta` and `.done` events of a name build. */
const TEXTS: Record<string, TextPlace> = {
  'response.output_text': { list: 'content', field: 'text' },
  'response.refusal': { list: 'content', field: 'refusal' },
  'response.reasoning': { list: 'content', field: 'text' },
  'response.reasoning_text': { list: 'content', field: 'text' },
  'response.reasoning_summary_text': { list: 'summary', field: 'text' },
  'response.function_call_arguments': { list: null, field: 'arguments' },
  'response.mcp_call_arguments': { list: null, field: 'arguments' },
};

/** Events that add nothing to the response. */
const ASIDE = new Set(['error', 'tailrace.progress']);

/** What is under way at an MCP server: how it ends is said by the item's own end. */
const AT_SERVER = /^response\.(mcp_call|mcp_list_tools)\.(in_progress|completed|failed)$/;

const INDEX = { content: 'content_index', summary: 'summary_index' } as const;

/**
 * Folds a stream, from `response.created` to its last event. `output` is what the item events have built, `response` the
 * rest as the last event that carried it said it.
 * @throws Unfoldable
 */
export function fold(events: readonly StreamEvent[]): Resource {
  let response: Resource | undefined;
  const output = new Output();
  events.forEach((event, index) => {
    if ((event.type === 'response.created') !== (index === 0)) {
      throw new Unfoldable(event, index === 0 ? 'nothing was created before' : 'it was created before');
    }
    if (isRecord(event.response)) response = event.response;
    else if (!ASIDE.has(event.type)) output.take(event);
  });
  if (!response) throw new Unfoldable(undefined, 'no event carries the response');
  return { ...response, output: output.items };
}

/** The items that a run of item events builds. */
export class Output {
  readonly items: Record<string, unknown>[] = [];
  readonly #closed = new Set<string>();

  /** The places of those that have not ended. */
  get open(): number[] {
    return [...this.items.keys()].filter((index) => !this.#closed.has(String(index)));
  }

  /** The next event. @throws Unfoldable */
  take(event: StreamEvent): void {
    const [, server] = AT_SERVER.exec(event.type) ?? [];
    const [, stem = '', verb = ''] = /^(.+)\.([a-z]+)$/.exec(event.type) ?? [];
    const text = TEXTS[stem];
    if (server !== undefined) this.#atServer(event, server);
    else if (text && verb === 'delta') this.#delta(event, text);
    else if (text && verb === 'done') this.#textDone(event, text);
    else if (stem === 'response.output_item') this.#item(event, verb);
    else if (stem === 'response.content_part') this.#part(event, verb, 'content');
    else if (stem === 'response.reasoning_summary_part') this.#part(event, verb, 'summary');
    else if (event.type === 'response.output_text.annotation.added') this.#annotation(event);
    else throw new Unfoldable(event, 'nobody knows such an event');
  }

  #item(event: StreamEvent, verb: string): void {
    const { output_index: index, item } = event;
    if (!isRecord(item)) throw new Unfoldable(event, 'it has no item');
    if (verb === 'added') {
      if (index !== this.items.length) throw new Unfoldable(event, `the next item is ${this.items.length}`);
      this.items.push(structuredClone(item));
      return;
    }
    if (this.#openItem(event).id !== item.id) throw new Unfoldable(event, 'another item is there');
    this.items[Number(index)] = structuredClone(item);
    this.#closed.add(`${String(index)}`);
  }

  #atServer(event: StreamEvent, type: string): void {
    if (this.#namedItem(event).type !== type) throw new Unfoldable(event, 'the item is another kind');
  }

  #part(event: StreamEvent, verb: string, list: 'content' | 'summary'): void {
    const parts = this.#parts(event, list);
    const index = Number(event[INDEX[list]]);
    if (!isRecord(event.part)) throw new Unfoldable(event, 'it has no part');
    if (verb === 'added') {
      if (index !== parts.length) throw new Unfoldable(event, `the next part is ${parts.length}`);
      parts.push(structuredClone(event.part));
      return;
    }
    this.#openPart(event, list);
    parts[index] = structuredClone(event.part);
    this.#closed.add(placeOf(event, list));
  }

  #delta(event: StreamEvent, { list, field }: TextPlace): void {
    const holder = list === null ? this.#namedItem(event) : this.#openPart(event, list);
    if (typeof holder[field] !== 'string' || typeof event.delta !== 'string') {
      throw new Unfoldable(event, `there is no ${field} to add to`);
    }
    holder[field] += event.delta;
    if (Array.isArray(event.logprobs) && Array.isArray(holder.logprobs)) holder.logprobs.push(...event.logprobs);
  }

  #textDone(event: StreamEvent, { list, field }: TextPlace): void {
    const holder = list === null ? this.#namedItem(event) : this.#openPart(event, list);
    if (!isDeepStrictEqual(holder[field], event[field])) throw new Unfoldable(event, 'the deltas say otherwise');
  }

  #annotation(event: StreamEvent): void {
    const { annotations } = this.#openPart(event, 'content');
    if (!Array.isArray(annotations)) throw new Unfoldable(event, 'the part has no annotations');
    if (event.annotation_index !== annotations.length) {
      throw new Unfoldable(event, `the next annotation is ${annotations.length}`);
    }
    annotations.push(event.annotation);
  }

  #openItem(event: StreamEvent): Record<string, unknown> {
    const item = this.items[Number(event.output_index)];
    if (!item) throw new Unfoldable(event, 'there is no such item');
    if (this.#closed.has(String(event.output_index))) throw new Unfoldable(event, 'the item has ended');
    return item;
  }

  #namedItem(event: StreamEvent): Record<string, unknown> {
    const item = this.#openItem(event);
    if (item.id !== event.item_id) throw new Unfoldable(event, 'another item is there');
    return item;
  }

  #parts(event: StreamEvent, list: 'content' | 'summary'): unknown[] {
    const parts = this.#namedItem(event)[list];
    if (!Array.isArray(parts)) throw new Unfoldable(event, `the item has no ${list}`);
    return parts;
  }

  #openPart(event: StreamEvent, list: 'content' | 'summary'): Record<string, unknown> {
    const part: unknown = this.#parts(event, list)[Number(event[INDEX[list]])];
    if (!isRecord(part)) throw new Unfoldable(event, 'there is no such part');
    if (this.#closed.has(placeOf(event, list))) throw new Unfoldable(event, 'the part has ended');
    return part;
  }
}

function placeOf(event: StreamEvent, list: 'content' | 'summary'): string {
  return `${String(event.output_index)} ${list} ${String(event[INDEX[list]])}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
