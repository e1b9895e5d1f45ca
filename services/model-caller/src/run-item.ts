/** An item of one run, as far as the run has told it; the slot where clients see it may hold less, or more. Pure. */
import type { LogProb } from '@tailrace/protocol';
import { type EventGroup, type Lanes, noParts, type Slot, type SlotHead } from './slot.ts';
import { emptyPart, type Lane, laneOf, type PartKind, type PartText } from './slot-part.ts';

/** See the file's head. */
export class RunItem {
  readonly head: SlotHead;
  readonly upstreamId: string | null;
  /** The position of its slot. */
  slot: number;
  closed = false;
  encrypted: string | null = null;
  readonly #lanes: Lanes;
  #split = false;

  constructor(head: SlotHead, upstreamId: string | null, slot: number) {
    this.head = head;
    this.upstreamId = upstreamId;
    this.slot = slot;
    this.#lanes = noParts(head);
  }

  /** What comes next is another part, even if it is of the same kind. */
  splitNext(): void {
    this.#split = true;
  }

  /** Whether a piece of this kind begins another part. */
  beginsPart(kind: PartKind): boolean {
    return this.#split || this.#lanes[laneOf(kind)].at(-1)?.kind !== kind;
  }

  /** Begins another part. Returns its place in its lane. */
  addPart(kind: PartKind): number {
    this.#split = false;
    return this.#lanes[laneOf(kind)].push(emptyPart(kind)) - 1;
  }

  /** More of the last part. */
  add(kind: PartKind, text: string, logprobs: readonly LogProb[]): void {
    const { part } = this.last(laneOf(kind));
    part.text += text;
    part.logprobs.push(...logprobs);
  }

  /** The last part of a lane. */
  last(lane: Lane): { index: number; part: PartText } {
    const index = this.#lanes[lane].length - 1;
    const part = this.#lanes[lane][index];
    if (!part) throw new Error(`item ${this.slot} of a run has no part`);
    return { index, part };
  }

  /** Whether the run has told all that its slot has in the run's last part of a lane. Until then it repeats. */
  isAllOf(slot: Slot, lane: Lane): boolean {
    const index = this.#lanes[lane].length - 1;
    const there = slot.lanes[lane][index];
    const part = this.#lanes[lane][index];
    if (!part || !there) return true;
    return part.text.length >= there.text.length && part.annotations.length >= there.annotations.length;
  }

  /** Whether the slot has no parts beyond the run's. */
  hasNoLessThan(slot: Slot): boolean {
    const { summary, content } = this.#lanes;
    return slot.lanes.summary.length <= summary.length && slot.lanes.content.length <= content.length;
  }

  /** The events of all that it has, in a slot that has just been opened. */
  publishAll(slot: Slot): EventGroup {
    const events: EventGroup = [];
    for (const lane of ['summary', 'content'] as const) {
      for (const part of this.#lanes[lane]) {
        if (part.kind !== 'arguments') events.push(...slot.nextPart(part.kind));
        if (part.text !== '') events.push(slot.delta(lane, part.text, part.logprobs));
        for (const annotation of part.annotations) events.push(slot.annotate(annotation));
      }
    }
    return events;
  }
}
