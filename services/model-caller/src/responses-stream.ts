/**
 * What a Responses server streams, as operations on the output. Pure: one event in, operations out. Texts are told as
 * they come; what comes only in a `done` event, with a whole item or in the last event is told then.
 */
import type { FinishReason } from '@tailrace/chain';
import { type Annotation, ApiError } from '@tailrace/protocol';
import { argumentsText } from './chat-calls.ts';
import { toCitation } from './citation.ts';
import { toLogProbs } from './log-probs.ts';
import type { ModelOp, Phase, Translator } from './model-op.ts';
import {
  eventName,
  readEvent,
  readFailure,
  readItem,
  readResponse,
  type UpstreamEvent,
  type UpstreamPart,
  type UpstreamResponse,
  type UpstreamItem as WholeItem,
} from './responses-events.ts';
import { type ItemKind, type PartName, UpstreamItem } from './upstream-item.ts';
import { toUsage } from './usage.ts';

type EventPlace = Pick<UpstreamEvent, 'output_index' | 'item_id'>;
type Said = 'text' | 'refusal' | 'reasoning' | 'summary';

/** The events of text, by their names: what they say, and whether it is all of it. */
const TEXTS: ReadonlyMap<string, { said: Said; all: boolean }> = new Map([
  ['response.output_text.delta', { said: 'text', all: false }],
  ['response.output_text.done', { said: 'text', all: true }],
  ['response.refusal.delta', { said: 'refusal', all: false }],
  ['response.refusal.done', { said: 'refusal', all: true }],
  ['response.reasoning.delta', { said: 'reasoning', all: false }],
  ['response.reasoning.done', { said: 'reasoning', all: true }],
  ['response.reasoning_text.delta', { said: 'reasoning', all: false }],
  ['response.reasoning_text.done', { said: 'reasoning', all: true }],
  ['response.reasoning_summary_text.delta', { said: 'summary', all: false }],
  ['response.reasoning_summary_text.done', { said: 'summary', all: true }],
]);

const KIND: Record<Said, ItemKind> = {
  text: 'message',
  refusal: 'message',
  reasoning: 'reasoning',
  summary: 'reasoning',
};

/** Remembers, across the events of one answer, which items have begun and what has been told of them. */
export class ResponsesTranslator implements Translator {
  readonly #items: UpstreamItem[] = [];
  /** The items by the names that servers give them: their index, or their id. */
  readonly #byName = new Map<string, UpstreamItem>();
  /** The item that is being told. */
  #current: UpstreamItem | undefined;

  translate(value: unknown): ModelOp[] {
    const name = eventName(value);
    const text = TEXTS.get(name);
    if (text) return this.#text(text.said, text.all, readEvent(value));
    switch (name) {
      case 'response.output_item.added': {
        const event = readEvent(value);
        const item = readItem(event.item);
        return item ? this.#announced(item, event) : [];
      }
      case 'response.output_item.done': {
        const event = readEvent(value);
        const item = readItem(event.item);
        return item ? this.#whole(item, event) : [];
      }
      case 'response.content_part.done':
        return this.#partDone('content', readEvent(value));
      case 'response.reasoning_summary_part.done':
        return this.#partDone('summary', readEvent(value));
      case 'response.output_text.annotation.added':
        return this.#annotation(readEvent(value));
      case 'response.function_call_arguments.delta':
      case 'response.function_call_arguments.done':
        return this.#arguments(readEvent(value));
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
        return this.#ended(readResponse(readEvent(value).response), name.slice('response.'.length));
      case 'response':
        return this.#ended(readResponse(value), null);
      case 'error':
        throw failed(readFailure(value));
      default:
        return [];
    }
  }

  end(): void {
    if (this.#items.some((item) => item.isNameless)) {
      throw new ApiError('upstream_invalid', { reason: 'a function call has no name' });
    }
  }

  #text(said: Said, all: boolean, event: UpstreamEvent): ModelOp[] {
    const item = this.#find(KIND[said], event);
    if (item.ended) return [];
    const part = partOf(said, event);
    const logprobs = toLogProbs(event.logprobs);
    const text = (all ? (said === 'refusal' ? event.refusal : event.text) : event.delta) ?? '';
    return this.#tell(item, all ? item.sayAll(said, part, text, logprobs) : item.say(said, part, text, logprobs));
  }

  #partDone(list: 'summary' | 'content', event: UpstreamEvent): ModelOp[] {
    const said = event.part ? saidIn(list, event.part) : undefined;
    if (!event.part || !said) return [];
    const item = this.#find(KIND[said], event);
    return item.ended ? [] : this.#part(item, said, partOf(said, event), event.part);
  }

  /** All of a part, with its sources. */
  #part(item: UpstreamItem, said: Said, name: PartName, part: UpstreamPart): ModelOp[] {
    const text = (said === 'refusal' ? part.refusal : part.text) ?? '';
    const ops = this.#tell(item, item.sayAll(said, name, text, toLogProbs(part.logprobs)));
    const sources = (part.annotations ?? []).flatMap(citationIn);
    return [...ops, ...sources.flatMap((source, number) => this.#cite(item, name, number, source))];
  }

  #annotation(event: UpstreamEvent): ModelOp[] {
    const item = this.#find('message', event);
    if (item.ended) return [];
    const part = partOf('text', event);
    return citationIn(event.annotation).flatMap((source) => this.#cite(item, part, item.cited(part), source));
  }

  /** A source of what is being told; one of anything else has come too late. */
  #cite(item: UpstreamItem, part: PartName, number: number, source: Annotation): ModelOp[] {
    return this.#current === item ? item.cite(part, number, source) : [];
  }

  #arguments(event: UpstreamEvent): ModelOp[] {
    const item = this.#find('function_call', event);
    if (item.ended) return [];
    item.name ??= event.name || null;
    const all = argumentsText(event.arguments);
    const ops = [...item.begin(), ...(event.delta ? item.addArguments(event.delta) : item.addAllArguments(all))];
    if (ops.some(({ type }) => type === 'call')) this.#current = item;
    return ops;
  }

  #announced(whole: WholeItem, event: UpstreamEvent): ModelOp[] {
    const known = this.#find(whole.type, event, whole.id);
    // Some servers give every item the same index.
    const id = whole.id ?? '';
    const other = known.announced !== null && known.announced !== id;
    const item = other ? this.#begin(whole.type, namesOf(event, whole.id)) : known;
    item.announced = id;
    return item.ended ? [] : this.#identify(item, whole);
  }

  /** An item that is whole: what has not been told of it is, and then it is over. */
  #whole(whole: WholeItem, event: EventPlace): ModelOp[] {
    const item = this.#find(whole.type, event, whole.id);
    if (item.ended) return [];
    const ops = this.#identify(item, whole);
    switch (whole.type) {
      case 'function_call':
        ops.push(...item.addAllArguments(argumentsText(whole.arguments)));
        break;
      case 'message':
      case 'reasoning':
        for (const list of ['summary', 'content'] as const) {
          (whole[list] ?? []).forEach((part, index) => {
            const said = saidIn(list, part);
            if (said && KIND[said] === whole.type) ops.push(...this.#part(item, said, `${list} ${index}`, part));
          });
        }
        if (whole.type === 'reasoning' && whole.encrypted_content) {
          ops.push(...this.#tell(item, [{ type: 'encrypted', content: whole.encrypted_content }]));
        }
    }
    item.ended = true;
    // An item that was cut is left open: it ends as the answer does.
    if (this.#current === item && whole.status !== 'incomplete' && whole.type !== 'function_call') {
      this.#current = undefined;
      ops.push({ type: 'item', phase: null });
    }
    return ops;
  }

  #identify(item: UpstreamItem, { phase, call_id, name }: WholeItem): ModelOp[] {
    item.phase ??= isPhase(phase) ? phase : null;
    item.callId ??= call_id || null;
    item.name ??= name || null;
    const ops = item.kind === 'function_call' ? item.begin() : [];
    if (ops.length > 0) this.#current = item;
    return ops;
  }

  #ended(response: UpstreamResponse, name: string | null): ModelOp[] {
    const status = response.status || name;
    if (status !== 'completed' && status !== 'incomplete') {
      throw failed(response.error?.message || `the response is ${status ?? 'nowhere'}`);
    }
    const ops = (response.output ?? []).flatMap((value, output_index) => {
      const item = readItem(value);
      return item ? this.#whole(item, { output_index, item_id: undefined }) : [];
    });
    this.end();
    ops.push({ type: 'finish', reason: finishReason(status, response.incomplete_details?.reason) });
    const { usage, service_tier: tier } = response;
    if (usage) {
      const cached = usage.input_tokens_details?.cached_tokens;
      const reasoning = usage.output_tokens_details?.reasoning_tokens;
      const { input_tokens: input, output_tokens: output, total_tokens: total } = usage;
      ops.push({ type: 'usage', usage: toUsage({ input, cached, output, reasoning, total }) });
    }
    if (tier) ops.push({ type: 'service_tier', tier });
    return ops;
  }

  /** Operations of an item; what came before belongs to another one if that was being told. */
  #tell(item: UpstreamItem, ops: ModelOp[]): ModelOp[] {
    if (ops.length === 0 || this.#current === item) return ops;
    this.#current = item;
    return [{ type: 'item', phase: item.phase }, ...ops];
  }

  /** The item that an event is about: by its index, or by its id where servers leave the index out. */
  #find(kind: ItemKind, event: EventPlace, ownId?: string | null): UpstreamItem {
    const names = namesOf(event, ownId);
    const known = names.map((name) => this.#byName.get(name)).find((item) => item?.kind === kind);
    if (!known) {
      const last = names.length === 0 ? this.#items.findLast((item) => item.kind === kind && !item.ended) : undefined;
      return last ?? this.#begin(kind, names);
    }
    for (const name of names) this.#byName.set(name, known);
    return known;
  }

  #begin(kind: ItemKind, names: string[]): UpstreamItem {
    const item = new UpstreamItem(kind, this.#items.filter((each) => each.kind === 'function_call').length);
    this.#items.push(item);
    for (const name of names) this.#byName.set(name, item);
    return item;
  }
}

function namesOf({ output_index: index, item_id }: EventPlace, ownId: string | null | undefined): string[] {
  const id = item_id || ownId;
  return [...(typeof index === 'number' ? [`index ${index}`] : []), ...(id ? [`id ${id}`] : [])];
}

function partOf(said: Said, { summary_index, content_index }: UpstreamEvent): PartName {
  return said === 'summary' ? `summary ${summary_index ?? 0}` : `content ${content_index ?? 0}`;
}

/** What a part says; undefined for a kind that is not told. */
function saidIn(list: 'summary' | 'content', { type }: UpstreamPart): Said | undefined {
  if (list === 'summary') return 'summary';
  switch (type) {
    case 'output_text':
    case 'text':
      return 'text';
    case 'refusal':
      return 'refusal';
    case 'reasoning_text':
      return 'reasoning';
    default:
      return undefined;
  }
}

function isPhase(phase: string | null | undefined): phase is Phase {
  return phase === 'commentary' || phase === 'final_answer';
}

/** The source that an annotation names; none for kinds that the API does not have. */
function citationIn(value: unknown): Annotation[] {
  const source = typeof value === 'object' && value !== null && 'type' in value ? value : { type: '' };
  const citation = source.type === 'url_citation' ? toCitation(source) : undefined;
  return citation ? [citation] : [];
}

function failed(reason: string): ApiError {
  return new ApiError('upstream_error', { status: 'in its stream', reason });
}

function finishReason(status: 'completed' | 'incomplete', reason: string | null | undefined): FinishReason {
  if (status === 'completed') return 'stop';
  return reason === 'content_filter' ? 'content_filter' : 'length';
}
