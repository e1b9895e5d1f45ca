/**
 * The output of one model step, as events. Pure: operations in, events out.
 *
 * An output is a row of slots, each an item that clients have seen. The first run fills them as it goes. A later run (the
 * step was taken over, or the upstream broke off) begins again in front of the slots that are there: while it repeats
 * what stands in them nothing is published; where it goes beyond, the rest is; where it differs, the slots from there on
 * are superseded (open ones closed as `incomplete`, empty) and the new run's items follow in new slots.
 */
import type { RecordedItem } from '@tailrace/chain';
import { itemId, type ModelItem, type OutputItem, type StepId, type UnnumberedEvent } from '@tailrace/protocol';
import type { ModelOp } from './chat-stream.ts';

type Kind = 'reasoning' | 'text' | 'refusal' | 'call';

/** An item that clients have seen. */
interface Slot {
  kind: Kind;
  /** The function's name; empty for what is no call. */
  name: string;
  upstreamId: string | null;
  /** What has been published of its text or arguments. */
  text: string;
  status: 'in_progress' | 'completed' | 'incomplete';
  superseded: boolean;
}

/** An item of the present run. */
interface RunItem {
  kind: Kind;
  name: string;
  upstreamId: string | null;
  text: string;
  slot: number;
  closed: boolean;
}

/** Events that belong into one log message. */
export type EventGroup = UnnumberedEvent[];

/** See the file's head. */
export class OutputBuilder {
  readonly #step: StepId;
  readonly #firstIndex: number;
  readonly #slots: Slot[];
  #run: RunItem[] = [];
  #calls = new Map<number, RunItem>();
  /** Slots below this belong to earlier runs, and are being repeated. */
  #inherited: number;

  /** `published` is what an earlier attempt's events fold to; `firstIndex` the `output_index` of the first item. */
  constructor(step: StepId, firstIndex: number, published: readonly OutputItem[]) {
    this.#step = step;
    this.#firstIndex = firstIndex;
    this.#slots = published.map(toSlot);
    this.#inherited = this.#slots.length;
  }

  /** The upstream is asked again: what comes now is the same answer from its beginning, or another one. */
  restart(): void {
    this.#run = [];
    this.#calls = new Map();
    this.#inherited = this.#slots.length;
  }

  /** The events that follow from one piece of output, in groups. */
  apply(op: Extract<ModelOp, { text: string } | { type: 'call' }>): EventGroup[] {
    switch (op.type) {
      case 'reasoning':
      case 'text':
      case 'refusal': {
        if (op.text === '') return [];
        const last = this.#run.at(-1);
        if (last && last.kind === op.type && !last.closed) return this.#extend(last, op.text);
        const closing = this.#closeTexts();
        return [...closing, ...this.#open(op.type, '', null, op.text).groups];
      }
      case 'call': {
        const closing = this.#closeTexts();
        const { item, groups } = this.#open('call', op.name, op.id, '');
        this.#calls.set(op.index, item);
        return [...closing, ...groups];
      }
      case 'arguments': {
        const item = this.#calls.get(op.index);
        if (!item) throw new Error(`arguments for call ${op.index}, which has not begun`);
        return this.#extend(item, op.text);
      }
    }
  }

  /** The run is over. Items still open end as `status`; what an earlier run had beyond it is superseded. */
  finish(status: 'completed' | 'incomplete'): EventGroup[] {
    const groups = this.#run.filter((item) => !item.closed).flatMap((item) => this.#close(item, status));
    if (this.#run.length < this.#inherited) groups.push(...this.#supersede(this.#run.length));
    return groups;
  }

  /** The step has failed: what is open ends as `incomplete`, with what it has. */
  abort(): EventGroup[] {
    return this.#slots.flatMap((slot, index) => {
      if (slot.status !== 'in_progress') return [];
      slot.status = 'incomplete';
      return [this.#closingEvents(index)];
    });
  }

  /** Every item that clients have seen of this step. */
  items(): RecordedItem[] {
    return this.#slots.map((slot, index) => ({
      item: this.#item(index),
      ...(slot.upstreamId === null ? {} : { upstream_call_id: slot.upstreamId }),
      ...(slot.superseded ? { superseded: true as const } : {}),
    }));
  }

  #open(kind: Kind, name: string, upstreamId: string | null, text: string): { item: RunItem; groups: EventGroup[] } {
    const position = this.#run.length;
    const item: RunItem = { kind, name, upstreamId, text: '', slot: position, closed: false };
    const inherited = position < this.#inherited ? this.#slots[position] : undefined;
    if (inherited && inherited.kind === kind && inherited.name === name) {
      inherited.upstreamId = upstreamId;
      inherited.superseded = false;
      this.#run.push(item);
      return { item, groups: text === '' ? [] : this.#extend(item, text) };
    }
    const groups = inherited ? this.#supersede(position) : [];
    this.#run.push(item);
    item.text = text;
    groups.push(this.#openSlot(item));
    return { item, groups };
  }

  #extend(item: RunItem, text: string): EventGroup[] {
    const slot = this.#slotOf(item);
    const repeated = slot.text.length - item.text.length;
    const fresh = text.slice(repeated);
    const repeats = repeated === 0 || slot.text.startsWith(text.slice(0, repeated), item.text.length);
    item.text += text;
    if (!repeats || (fresh !== '' && slot.status !== 'in_progress')) return this.#diverge(item);
    if (fresh === '') return [];
    slot.text += fresh;
    return [[this.#deltaEvent(item.slot, fresh)]];
  }

  #closeTexts(): EventGroup[] {
    return this.#run
      .filter((item) => item.kind !== 'call' && !item.closed)
      .flatMap((item) => this.#close(item, 'completed'));
  }

  #close(item: RunItem, status: 'completed' | 'incomplete'): EventGroup[] {
    const before = this.#slotOf(item);
    const differs =
      before.text.length > item.text.length || (before.status !== 'in_progress' && before.status !== status);
    const groups = differs ? this.#diverge(item) : [];
    item.closed = true;
    const slot = this.#slotOf(item);
    if (slot.status !== 'in_progress') return groups;
    slot.status = status;
    return [...groups, this.#closingEvents(item.slot)];
  }

  /** This run's item is not what stands in its slot: it and all that follow it are published anew. */
  #diverge(item: RunItem): EventGroup[] {
    const from = this.#run.indexOf(item);
    const moved = this.#run.slice(from);
    const groups = this.#supersede(item.slot);
    for (const each of moved) {
      groups.push(this.#openSlot(each));
      if (!each.closed) continue;
      this.#slotOf(each).status = 'completed';
      groups.push(this.#closingEvents(each.slot));
    }
    return groups;
  }

  /** Every slot from `from` on is an earlier run's, and does not stand. */
  #supersede(from: number): EventGroup[] {
    this.#inherited = Math.min(this.#inherited, from);
    const groups: EventGroup[] = [];
    this.#slots.forEach((slot, index) => {
      if (index < from || slot.superseded) return;
      slot.superseded = true;
      if (slot.status !== 'in_progress') return;
      slot.status = 'incomplete';
      slot.text = '';
      groups.push([
        { type: 'response.output_item.done', output_index: this.#firstIndex + index, item: this.#item(index) },
      ]);
    });
    return groups;
  }

  #openSlot(item: RunItem): EventGroup {
    const { kind, name, upstreamId, text } = item;
    item.slot = this.#slots.length;
    const slot: Slot = { kind, name, upstreamId, text: '', status: 'in_progress', superseded: false };
    this.#slots.push(slot);
    const events = this.#openingEvents(item.slot);
    if (text !== '') {
      slot.text = text;
      events.push(this.#deltaEvent(item.slot, text));
    }
    return events;
  }

  #slotOf(item: RunItem): Slot {
    const slot = this.#slots[item.slot];
    if (!slot) throw new Error(`there is no slot ${item.slot}`);
    return slot;
  }

  #place(index: number) {
    return { item_id: this.#item(index).id, output_index: this.#firstIndex + index };
  }

  #openingEvents(index: number): EventGroup {
    const item = this.#item(index);
    const { output_index } = this.#place(index);
    const part = contentPart(item);
    const opened: ModelItem = item.type === 'function_call' ? item : { ...item, content: [] };
    const added: UnnumberedEvent = { type: 'response.output_item.added', output_index, item: opened };
    if (!part) return [added];
    return [added, { type: 'response.content_part.added', item_id: item.id, output_index, content_index: 0, part }];
  }

  #deltaEvent(index: number, delta: string): UnnumberedEvent {
    const place = this.#place(index);
    switch (this.#slots[index]?.kind) {
      case 'call':
        return { type: 'response.function_call_arguments.delta', ...place, delta };
      case 'reasoning':
        return { type: 'response.reasoning.delta', ...place, content_index: 0, delta };
      case 'refusal':
        return { type: 'response.refusal.delta', ...place, content_index: 0, delta };
      case 'text':
      case undefined:
        return { type: 'response.output_text.delta', ...place, content_index: 0, delta, logprobs: [] };
    }
  }

  #closingEvents(index: number): EventGroup {
    const item = this.#item(index);
    const place = this.#place(index);
    const done: UnnumberedEvent = { type: 'response.output_item.done', output_index: place.output_index, item };
    if (item.type === 'function_call') {
      const { name, arguments: text } = item;
      return [{ type: 'response.function_call_arguments.done', ...place, name, arguments: text }, done];
    }
    const part = contentPart(item);
    if (!part) return [done];
    const at = { ...place, content_index: 0 };
    return [partDone(part, at), { type: 'response.content_part.done', ...at, part }, done];
  }

  #item(index: number): ModelItem {
    const slot = this.#slots[index];
    if (!slot) throw new Error(`there is no slot ${index}`);
    const { kind, status, text } = slot;
    const empty = status === 'incomplete' && text === '';
    switch (kind) {
      case 'call': {
        const id = itemId('function_call', this.#step, index);
        const call_id = itemId('call', this.#step, index);
        return { type: 'function_call', id, status, call_id, name: slot.name, arguments: text };
      }
      case 'reasoning': {
        const id = itemId('reasoning', this.#step, index);
        return { type: 'reasoning', id, status, summary: [], content: empty ? [] : [{ type: 'reasoning_text', text }] };
      }
      case 'text':
      case 'refusal': {
        const id = itemId('message', this.#step, index);
        const part =
          kind === 'refusal'
            ? { type: 'refusal' as const, refusal: text }
            : { type: 'output_text' as const, text, annotations: [], logprobs: [] };
        return { type: 'message', id, status, role: 'assistant', content: empty ? [] : [part] };
      }
    }
  }
}

type Part = Extract<UnnumberedEvent, { type: 'response.content_part.done' }>['part'];

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

function toSlot(item: OutputItem): Slot {
  const base = { name: '', upstreamId: null, status: item.status, superseded: false };
  switch (item.type) {
    case 'function_call':
      return { ...base, kind: 'call', name: item.name, text: item.arguments };
    case 'reasoning':
      return { ...base, kind: 'reasoning', text: item.content[0]?.text ?? '', superseded: isEmptied(item) };
    case 'message': {
      const part = item.content[0];
      const superseded = isEmptied(item);
      if (part?.type === 'refusal') return { ...base, kind: 'refusal', text: part.refusal, superseded };
      return { ...base, kind: 'text', text: part?.text ?? '', superseded };
    }
    case 'function_call_output':
      throw new Error('a model step writes no outputs of calls');
  }
}

/** An item that an earlier takeover gave up: closed, and emptied. */
function isEmptied(item: Extract<ModelItem, { content: unknown[] }>): boolean {
  return item.status === 'incomplete' && item.content.length === 0;
}
