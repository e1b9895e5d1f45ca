/** One item that clients have seen, and its events. Pure. */
import {
  type Annotation,
  type ItemEvent,
  type ItemStatus,
  itemId,
  type LogProb,
  type ModelItem,
  type StepId,
} from '@tailrace/protocol';
import type { Phase } from './model-op.ts';
import {
  emptyPart,
  type Lane,
  laneOf,
  messagePart,
  type PartKind,
  type PartPlace,
  type PartText,
  partAnnotation,
  partClosing,
  partDelta,
  partOfMessage,
  partOpening,
  reasoningText,
  summaryText,
} from './slot-part.ts';

/** What an item is, as far as it is known when it begins. */
export type SlotHead =
  | { kind: 'reasoning' }
  | { kind: 'message'; phase: Phase | null }
  | { kind: 'function_call'; name: string };

/** Events that belong into one log message. */
export type EventGroup = ItemEvent[];

/** Where a slot stands. */
export interface SlotPlace {
  step: StepId;
  /** Its position among the items of the step. */
  position: number;
  outputIndex: number;
}

/** The parts of an item. */
export type Lanes = Record<Lane, PartText[]>;

/** See the file's head. */
export class Slot {
  readonly head: SlotHead;
  upstreamId: string | null = null;
  /** What has been published of it. */
  lanes: Lanes;
  status: ItemStatus = 'in_progress';
  superseded = false;
  /** Shown when the item has ended. */
  encrypted: string | null = null;
  readonly #id: string;
  readonly #callId: string;
  readonly #outputIndex: number;

  constructor(head: SlotHead, place: SlotPlace) {
    this.head = head;
    this.lanes = noParts(head);
    this.#id = itemId(head.kind, place.step, place.position);
    this.#callId = itemId('call', place.step, place.position);
    this.#outputIndex = place.outputIndex;
  }

  /** The slot in which an item of an earlier attempt stands. */
  static of(item: ModelItem, place: SlotPlace): Slot {
    const slot = new Slot(headOf(item), place);
    slot.lanes = partsOf(item);
    slot.status = item.status;
    if (item.type === 'reasoning') slot.encrypted = item.encrypted_content ?? null;
    // An earlier takeover gave it up: closed, and emptied.
    slot.superseded = item.status === 'incomplete' && slot.lanes.summary.length + slot.lanes.content.length === 0;
    return slot;
  }

  /** Whether an item that begins so may be this one. */
  matches(head: SlotHead): boolean {
    const own = this.head;
    switch (own.kind) {
      case 'reasoning':
        return head.kind === 'reasoning';
      case 'message':
        return head.kind === 'message' && head.phase === own.phase;
      case 'function_call':
        return head.kind === 'function_call' && head.name === own.name;
    }
  }

  /** Whether more can be said in the part at `index` of a lane. */
  isOpen(lane: Lane, index: number): boolean {
    return this.status === 'in_progress' && index === this.lanes[lane].length - 1;
  }

  /** Its event at the beginning. */
  opening(): ItemEvent {
    return { type: 'response.output_item.added', output_index: this.#outputIndex, item: this.item() };
  }

  /** Another part begins, and the one before it in its lane is over. */
  nextPart(kind: PartKind): EventGroup {
    const lane = laneOf(kind);
    const closing = this.#closePart(lane);
    const part = emptyPart(kind);
    const index = this.lanes[lane].push(part) - 1;
    return [...closing, ...partOpening(part, this.#place(index))];
  }

  /** More of the last part of a lane. */
  delta(lane: Lane, text: string, logprobs: readonly LogProb[]): ItemEvent {
    const part = this.#last(lane);
    part.text += text;
    part.logprobs.push(...logprobs);
    return partDelta(part.kind, this.#place(this.lanes[lane].length - 1), text, [...logprobs]);
  }

  /** A source of the last text. */
  annotate(annotation: Annotation): ItemEvent {
    const part = this.#last('content');
    part.annotations.push(annotation);
    return partAnnotation(part, this.#place(this.lanes.content.length - 1), annotation);
  }

  /** It ends, with what it has. */
  close(status: 'completed' | 'incomplete'): EventGroup {
    const closing = [...this.#closePart('summary'), ...this.#closePart('content')];
    this.status = status;
    return [...closing, this.#done()];
  }

  /** It ends with nothing, because it does not stand. */
  abandon(): EventGroup {
    this.lanes = noParts(this.head);
    this.status = 'incomplete';
    return [this.#done()];
  }

  /** The item as it stands. */
  item(): ModelItem {
    const { head, status } = this;
    const { summary, content } = this.lanes;
    const base = { id: this.#id, status };
    switch (head.kind) {
      case 'function_call': {
        const { kind: type, name } = head;
        return { type, ...base, call_id: this.#callId, name, arguments: content[0]?.text ?? '' };
      }
      case 'reasoning': {
        const shown = { summary: summary.map(summaryText), content: content.map(reasoningText) };
        const encrypted = this.encrypted === null || status === 'in_progress' ? {} : encryptedContent(this.encrypted);
        return { type: 'reasoning', ...base, ...shown, ...encrypted };
      }
      case 'message': {
        const phase = head.phase === null ? {} : { phase: head.phase };
        return { type: 'message', ...base, role: 'assistant', content: content.map(messagePart), ...phase };
      }
    }
  }

  #done(): ItemEvent {
    return { type: 'response.output_item.done', output_index: this.#outputIndex, item: this.item() };
  }

  #closePart(lane: Lane): EventGroup {
    const part = this.lanes[lane].at(-1);
    if (!part) return [];
    const name = this.head.kind === 'function_call' ? this.head.name : '';
    return partClosing(part, this.#place(this.lanes[lane].length - 1), name);
  }

  #last(lane: Lane): PartText {
    const part = this.lanes[lane].at(-1);
    if (!part) throw new Error(`item ${this.#id} has no part`);
    return part;
  }

  #place(index: number): PartPlace {
    return { item_id: this.#id, output_index: this.#outputIndex, index };
  }
}

function encryptedContent(encrypted_content: string) {
  return { encrypted_content };
}

/** What an item of this kind has at its beginning. */
export function noParts(head: SlotHead): Lanes {
  return { summary: [], content: head.kind === 'function_call' ? [emptyPart('arguments')] : [] };
}

function headOf(item: ModelItem): SlotHead {
  switch (item.type) {
    case 'function_call':
      return { kind: item.type, name: item.name };
    case 'reasoning':
      return { kind: item.type };
    case 'message':
      return { kind: item.type, phase: item.phase ?? null };
  }
}

function partsOf(item: ModelItem): Lanes {
  const text = (kind: PartKind) => (part: { text: string }) => ({ ...emptyPart(kind), text: part.text });
  switch (item.type) {
    case 'function_call':
      return { summary: [], content: [{ ...emptyPart('arguments'), text: item.arguments }] };
    case 'reasoning':
      return { summary: item.summary.map(text('summary')), content: item.content.map(text('reasoning')) };
    case 'message':
      return { summary: [], content: item.content.map(partOfMessage) };
  }
}
