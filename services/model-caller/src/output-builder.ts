/**
 * The output of one model step, as events. Pure: operations in, events out.
 *
 * An output is a row of slots, each an item that clients have seen. The first run fills them as it goes. A later run (the
 * step was taken over, or the upstream broke off) begins again in front of the slots that are there: while it repeats
 * what stands in them nothing is published; where it goes beyond, the rest is; where it differs, the slots from there on
 * are superseded (open ones closed as `incomplete`, empty) and the new run's items follow in new slots.
 */
import type { RecordedItem } from '@tailrace/chain';
import type { Annotation, LogProb, ModelItem, StepId } from '@tailrace/protocol';
import { HeldCalls } from './held-calls.ts';
import type { OutputOp, Phase } from './model-op.ts';
import { RunItem } from './run-item.ts';
import { type EventGroup, Slot, type SlotHead, type SlotPlace } from './slot.ts';
import { laneOf, type PartKind } from './slot-part.ts';

/** See the file's head. */
export class OutputBuilder {
  readonly #step: StepId;
  readonly #firstIndex: number;
  readonly #slots: Slot[];
  #run: RunItem[] = [];
  #calls = new Map<number, RunItem>();
  readonly #heldBack: ReadonlySet<string>;
  #held: HeldCalls;
  /** Of the next message. */
  #phase: Phase | null = null;
  /** Sources that came before their text. */
  #early: Annotation[] = [];
  /** Slots below this belong to earlier runs, and are being repeated. */
  #inherited: number;

  /**
   * `published` is what an earlier attempt's events fold to; `firstIndex` the `output_index` of the first item. Calls of the
   * tools named in `heldBack` are items without events.
   */
  constructor(step: StepId, firstIndex: number, published: readonly ModelItem[], heldBack: readonly string[] = []) {
    this.#step = step;
    this.#firstIndex = firstIndex;
    this.#heldBack = new Set(heldBack);
    this.#held = new HeldCalls(this.#heldBack);
    this.#slots = published.map((item, position) => Slot.of(item, this.#place(position)));
    this.#inherited = this.#slots.length;
  }

  /** The upstream is asked again: what comes now is the same answer from its beginning, or another one. */
  restart(): void {
    this.#run = [];
    this.#calls = new Map();
    this.#held = new HeldCalls(this.#heldBack);
    this.#phase = null;
    this.#early = [];
    this.#inherited = this.#slots.length;
  }

  /** The events that follow from one piece of output, in groups. */
  apply(op: OutputOp): EventGroup[] {
    switch (op.type) {
      case 'reasoning':
      case 'summary':
        return this.#say({ kind: 'reasoning' }, op.type, op.text, []);
      case 'refusal':
        return this.#say({ kind: 'message', phase: this.#phase }, op.type, op.text, []);
      case 'text':
        return [
          ...this.#say({ kind: 'message', phase: this.#phase }, op.type, op.text, op.logprobs ?? []),
          ...this.#annotateEarly(),
        ];
      case 'annotation':
        return this.#annotate(op.annotation);
      case 'encrypted':
        return this.#encrypt(op.content);
      case 'call': {
        const closing = this.#closeTexts();
        if (this.#held.holds(op.name)) {
          this.#held.begin(op.index, op.name, op.id, this.#run.length);
          return closing;
        }
        const { item, groups } = this.#open({ kind: 'function_call', name: op.name }, op.id);
        this.#calls.set(op.index, item);
        return [...closing, ...groups];
      }
      case 'arguments': {
        if (this.#held.extend(op.index, op.text)) return [];
        const item = this.#calls.get(op.index);
        if (!item) throw new Error(`arguments for call ${op.index}, which has not begun`);
        return this.#extend(item, 'arguments', op.text, []);
      }
      case 'part':
        this.#run.at(-1)?.splitNext();
        return [];
      case 'item':
        this.#phase = op.phase;
        return this.#closeTexts();
    }
  }

  /** The run is over. Items still open end as `status`; what an earlier run had beyond it is superseded. */
  finish(status: 'completed' | 'incomplete'): EventGroup[] {
    this.#held.end(status);
    const groups = this.#run.filter((item) => !item.closed).flatMap((item) => this.#close(item, status));
    if (this.#run.length < this.#inherited) groups.push(...this.#supersede(this.#run.length));
    return groups;
  }

  /** The step has failed: what is open ends as `incomplete`, with what it has. */
  abort(): EventGroup[] {
    this.#held.end('incomplete');
    return this.#slots.filter((slot) => slot.status === 'in_progress').map((slot) => slot.close('incomplete'));
  }

  /** Every item that clients have seen of this step, and the calls that are held back where the model has made them. */
  items(): RecordedItem[] {
    const items = this.#slots.map((slot): RecordedItem[] => {
      const upstream = slot.upstreamId === null ? {} : { upstream_call_id: slot.upstreamId };
      return [{ item: slot.item(), ...upstream, ...(slot.superseded ? { superseded: true } : {}) }];
    });
    const first: RecordedItem[] = [];
    for (const { recorded, after } of this.#held.items(this.#step)) {
      const before = this.#run[after - 1];
      (before ? items[before.slot] : first)?.push(recorded);
    }
    return [...first, ...items.flat()];
  }

  #say(head: SlotHead, kind: PartKind, text: string, logprobs: readonly LogProb[]): EventGroup[] {
    if (text === '') return [];
    const last = this.#run.at(-1);
    if (last && !last.closed && last.head.kind === head.kind) return this.#continue(last, kind, text, logprobs);
    return [...this.#closeTexts(), ...this.#open(head, null, { kind, text, logprobs }).groups];
  }

  /** More of an item: of its last part, or in another one. */
  #continue(item: RunItem, kind: PartKind, text: string, logprobs: readonly LogProb[]): EventGroup[] {
    if (!item.beginsPart(kind)) return this.#extend(item, kind, text, logprobs);
    const lane = laneOf(kind);
    const slot = this.#slotOf(item);
    const agreed = item.isAllOf(slot, lane);
    const index = item.addPart(kind);
    const there = slot.lanes[lane][index];
    if (agreed && there?.kind === kind) return this.#extend(item, kind, text, logprobs);
    item.add(kind, text, logprobs);
    if (!agreed || there || slot.status !== 'in_progress') return this.#diverge(item);
    return [[...slot.nextPart(kind), slot.delta(lane, text, logprobs)]];
  }

  #extend(item: RunItem, kind: PartKind, text: string, logprobs: readonly LogProb[]): EventGroup[] {
    const lane = laneOf(kind);
    const slot = this.#slotOf(item);
    const { index, part } = item.last(lane);
    const there = slot.lanes[lane][index];
    if (!there) throw new Error(`slot ${item.slot} has no part ${index}`);
    const repeated = there.text.length - part.text.length;
    const fresh = text.slice(repeated);
    const repeats = repeated === 0 || there.text.startsWith(text.slice(0, repeated), part.text.length);
    item.add(kind, text, logprobs);
    if (!repeats || (fresh !== '' && !slot.isOpen(lane, index))) return this.#diverge(item);
    return fresh === '' ? [] : [[slot.delta(lane, fresh, part.logprobs.slice(there.logprobs.length))]];
  }

  #annotate(annotation: Annotation): EventGroup[] {
    const item = this.#run.at(-1);
    const told = item && !item.closed && item.head.kind === 'message' ? item.last('content') : undefined;
    if (!item || told?.part.kind !== 'text') {
      this.#early.push(annotation);
      return [];
    }
    const number = told.part.annotations.push(annotation) - 1;
    const slot = this.#slotOf(item);
    const there = slot.lanes.content[told.index]?.annotations[number];
    if (there) return JSON.stringify(there) === JSON.stringify(annotation) ? [] : this.#diverge(item);
    return slot.isOpen('content', told.index) ? [[slot.annotate(annotation)]] : this.#diverge(item);
  }

  #annotateEarly(): EventGroup[] {
    const early = this.#early;
    this.#early = [];
    return early.flatMap((annotation) => this.#annotate(annotation));
  }

  #encrypt(content: string): EventGroup[] {
    const last = this.#run.at(-1);
    if (last && !last.closed && last.head.kind === 'reasoning') {
      last.encrypted = content;
      return [];
    }
    const closing = this.#closeTexts();
    const { item, groups } = this.#open({ kind: 'reasoning' }, null);
    item.encrypted = content;
    return [...closing, ...groups];
  }

  #open(
    head: SlotHead,
    upstreamId: string | null,
    first?: { kind: PartKind; text: string; logprobs: readonly LogProb[] },
  ): { item: RunItem; groups: EventGroup[] } {
    const position = this.#run.length;
    const item = new RunItem(head, upstreamId, position);
    const inherited = position < this.#inherited ? this.#slots[position] : undefined;
    if (inherited?.matches(head)) {
      inherited.upstreamId = upstreamId;
      inherited.superseded = false;
      this.#run.push(item);
      return { item, groups: first ? this.#continue(item, first.kind, first.text, first.logprobs) : [] };
    }
    const groups = inherited ? this.#supersede(position) : [];
    this.#run.push(item);
    if (first) {
      item.addPart(first.kind);
      item.add(first.kind, first.text, first.logprobs);
    }
    groups.push(this.#openSlot(item));
    return { item, groups };
  }

  #closeTexts(): EventGroup[] {
    return this.#run
      .filter((item) => item.head.kind !== 'function_call' && !item.closed)
      .flatMap((item) => this.#close(item, 'completed'));
  }

  #close(item: RunItem, status: 'completed' | 'incomplete'): EventGroup[] {
    const before = this.#slotOf(item);
    const agrees = item.isAllOf(before, 'summary') && item.isAllOf(before, 'content') && item.hasNoLessThan(before);
    const ended = before.status !== 'in_progress' && before.status !== status;
    const groups = agrees && !ended ? [] : this.#diverge(item);
    item.closed = true;
    const slot = this.#slotOf(item);
    return slot.status === 'in_progress' ? [...groups, closing(item, slot, status)] : groups;
  }

  /** This run's item is not what stands in its slot: it and all that follow it are published anew. */
  #diverge(item: RunItem): EventGroup[] {
    const moved = this.#run.slice(this.#run.indexOf(item));
    const groups = this.#supersede(item.slot);
    for (const each of moved) {
      groups.push(this.#openSlot(each));
      if (each.closed) groups.push(closing(each, this.#slotOf(each), 'completed'));
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
      if (slot.status === 'in_progress') groups.push(slot.abandon());
    });
    return groups;
  }

  #openSlot(item: RunItem): EventGroup {
    item.slot = this.#slots.length;
    const slot = new Slot(item.head, this.#place(item.slot));
    slot.upstreamId = item.upstreamId;
    this.#slots.push(slot);
    return [slot.opening(), ...item.publishAll(slot)];
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

function closing(item: RunItem, slot: Slot, status: 'completed' | 'incomplete'): EventGroup {
  slot.encrypted = item.encrypted;
  return slot.close(status);
}
