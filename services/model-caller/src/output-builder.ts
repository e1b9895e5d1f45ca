/**
 * The output of one model step, as events. Pure: operations in, events out.
 *
 * An output is a row of slots, each an item that clients have seen. The first run fills them as it goes. A later run (the
 * step was taken over, or the upstream broke off) begins again in front of the slots that are there: while it repeats
 * what stands in them nothing is published; where it goes beyond, the rest is; where it differs, the slots from there on
 * are superseded (open ones closed as `incomplete`, empty) and the new run's items follow in new slots.
 */
import type { RecordedItem } from '@tailrace/chain';
import type { OutputItem, StepId } from '@tailrace/protocol';
import type { ModelOp } from './chat-stream.ts';
import { type EventGroup, Slot, type SlotKind, type SlotPlace } from './slot.ts';

/** An item of the present run. */
interface RunItem {
  kind: SlotKind;
  name: string;
  upstreamId: string | null;
  text: string;
  slot: number;
  closed: boolean;
}

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
    this.#slots = published.map((item, position) => Slot.of(item, this.#place(position)));
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
    return this.#slots.flatMap((slot) => {
      if (slot.status !== 'in_progress') return [];
      slot.status = 'incomplete';
      return [slot.closing()];
    });
  }

  /** Every item that clients have seen of this step. */
  items(): RecordedItem[] {
    return this.#slots.map((slot) => ({
      item: slot.item(),
      ...(slot.upstreamId === null ? {} : { upstream_call_id: slot.upstreamId }),
      ...(slot.superseded ? { superseded: true as const } : {}),
    }));
  }

  #open(
    kind: SlotKind,
    name: string,
    upstreamId: string | null,
    text: string,
  ): { item: RunItem; groups: EventGroup[] } {
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
    return [[slot.delta(fresh)]];
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
    return [...groups, slot.closing()];
  }

  /** This run's item is not what stands in its slot: it and all that follow it are published anew. */
  #diverge(item: RunItem): EventGroup[] {
    const from = this.#run.indexOf(item);
    const moved = this.#run.slice(from);
    const groups = this.#supersede(item.slot);
    for (const each of moved) {
      groups.push(this.#openSlot(each));
      if (!each.closed) continue;
      const slot = this.#slotOf(each);
      slot.status = 'completed';
      groups.push(slot.closing());
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
      groups.push([slot.done()]);
    });
    return groups;
  }

  #openSlot(item: RunItem): EventGroup {
    item.slot = this.#slots.length;
    const slot = new Slot(item.kind, item.name, this.#place(item.slot));
    slot.upstreamId = item.upstreamId;
    this.#slots.push(slot);
    const events = slot.opening();
    if (item.text !== '') {
      slot.text = item.text;
      events.push(slot.delta(item.text));
    }
    return events;
  }

  #slotOf(item: RunItem): Slot {
    const slot = this.#slots[item.slot];
    if (!slot) throw new Error(`there is no slot ${item.slot}`);
    return slot;
  }

  #place(position: number): SlotPlace {
    return { step: this.#step, position, outputIndex: this.#firstIndex + position };
  }
}
