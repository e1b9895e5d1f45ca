/** One item that clients have seen, and its events. Pure. */
import {
  type ItemStatus,
  itemId,
  type ModelItem,
  type OutputItem,
  type StepId,
  type UnnumberedEvent,
} from '@tailrace/protocol';

/** What an item is: text and refusal are both messages, of one part each. */
export type SlotKind = 'reasoning' | 'text' | 'refusal' | 'call';

/** Events that belong into one log message. */
export type EventGroup = UnnumberedEvent[];

/** Where a slot stands. */
export interface SlotPlace {
  step: StepId;
  /** Its position among the items of the step. */
  position: number;
  outputIndex: number;
}

type Part = Extract<UnnumberedEvent, { type: 'response.content_part.done' }>['part'];

const ITEM_KIND = { reasoning: 'reasoning', text: 'message', refusal: 'message', call: 'function_call' } as const;

/** See the file's head. */
export class Slot {
  readonly kind: SlotKind;
  /** The function's name; empty for what is no call. */
  readonly name: string;
  upstreamId: string | null = null;
  /** What has been published of its text or arguments. */
  text = '';
  status: ItemStatus = 'in_progress';
  superseded = false;
  readonly #id: string;
  readonly #callId: string;
  readonly #outputIndex: number;

  constructor(kind: SlotKind, name: string, place: SlotPlace) {
    this.kind = kind;
    this.name = name;
    this.#id = itemId(ITEM_KIND[kind], place.step, place.position);
    this.#callId = itemId('call', place.step, place.position);
    this.#outputIndex = place.outputIndex;
  }

  /** The slot in which an item of an earlier attempt stands. */
  static of(item: OutputItem, place: SlotPlace): Slot {
    const slot = new Slot(kindOf(item), item.type === 'function_call' ? item.name : '', place);
    slot.text = textOf(item);
    slot.status = item.status;
    // An earlier takeover gave it up: closed, and emptied.
    slot.superseded = 'content' in item && item.status === 'incomplete' && item.content.length === 0;
    return slot;
  }

  /** Its events at the beginning. */
  opening(): EventGroup {
    const item = this.item();
    const part = contentPart(item);
    const opened: ModelItem = item.type === 'function_call' ? item : { ...item, content: [] };
    const added: UnnumberedEvent = {
      type: 'response.output_item.added',
      output_index: this.#outputIndex,
      item: opened,
    };
    if (!part) return [added];
    return [added, { type: 'response.content_part.added', ...this.#partPlace(), part }];
  }

  /** More of its text or arguments. */
  delta(delta: string): UnnumberedEvent {
    switch (this.kind) {
      case 'call':
        return { type: 'response.function_call_arguments.delta', ...this.#place(), delta };
      case 'reasoning':
        return { type: 'response.reasoning.delta', ...this.#partPlace(), delta };
      case 'refusal':
        return { type: 'response.refusal.delta', ...this.#partPlace(), delta };
      case 'text':
        return { type: 'response.output_text.delta', ...this.#partPlace(), delta, logprobs: [] };
    }
  }

  /** Its events at the end. */
  closing(): EventGroup {
    const item = this.item();
    if (item.type === 'function_call') {
      const { name, arguments: text } = item;
      return [{ type: 'response.function_call_arguments.done', ...this.#place(), name, arguments: text }, this.done()];
    }
    const part = contentPart(item);
    if (!part) return [this.done()];
    const at = this.#partPlace();
    return [partDone(part, at), { type: 'response.content_part.done', ...at, part }, this.done()];
  }

  /** The event that says how the item ended. */
  done(): UnnumberedEvent {
    return { type: 'response.output_item.done', output_index: this.#outputIndex, item: this.item() };
  }

  /** The item as it stands. */
  item(): ModelItem {
    const { status, text } = this;
    const empty = status === 'incomplete' && text === '';
    const base = { id: this.#id, status };
    switch (this.kind) {
      case 'call':
        return { type: 'function_call', ...base, call_id: this.#callId, name: this.name, arguments: text };
      case 'reasoning':
        return { type: 'reasoning', ...base, summary: [], content: empty ? [] : [{ type: 'reasoning_text', text }] };
      case 'text':
      case 'refusal': {
        const part =
          this.kind === 'refusal'
            ? { type: 'refusal' as const, refusal: text }
            : { type: 'output_text' as const, text, annotations: [], logprobs: [] };
        return { type: 'message', ...base, role: 'assistant', content: empty ? [] : [part] };
      }
    }
  }

  #place() {
    return { item_id: this.#id, output_index: this.#outputIndex };
  }

  #partPlace() {
    return { item_id: this.#id, output_index: this.#outputIndex, content_index: 0 };
  }
}

function contentPart(item: ModelItem): Part | undefined {
  return item.type === 'function_call' ? undefined : item.content[0];
}

function partDone(part: Part, at: { item_id: string; output_index: number; content_index: number }): UnnumberedEvent {
  switch (part.type) {
    case 'output_text':
      return { type: 'response.output_text.done', ...at, text: part.text, logprobs: [] };
    case 'refusal':
      return { type: 'response.refusal.done', ...at, refusal: part.refusal };
    case 'reasoning_text':
      return { type: 'response.reasoning.done', ...at, text: part.text };
  }
}

function kindOf(item: OutputItem): SlotKind {
  switch (item.type) {
    case 'function_call':
      return 'call';
    case 'reasoning':
      return 'reasoning';
    case 'message':
      return item.content[0]?.type === 'refusal' ? 'refusal' : 'text';
    case 'function_call_output':
      throw new Error('a model step writes no outputs of calls');
  }
}

function textOf(item: OutputItem): string {
  switch (item.type) {
    case 'function_call':
      return item.arguments;
    case 'reasoning':
      return item.content[0]?.text ?? '';
    case 'message': {
      const part = item.content[0];
      return part?.type === 'refusal' ? part.refusal : (part?.text ?? '');
    }
    case 'function_call_output':
      return item.output;
  }
}
