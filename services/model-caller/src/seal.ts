/** What a model step came to beside its events: the last log message carries it, so that a successor finds the step done. */
import { BlobExpired, type Bus } from '@tailrace/bus';
import type { FinishReason, ModelResult, RecordedItem } from '@tailrace/chain';
import type { Seal } from '@tailrace/log';
import type { ErrorInfo, ModelItem, Usage } from '@tailrace/protocol';

/** The end of a model step. */
export interface StepEnd {
  finish: FinishReason;
  usage: Usage | null;
  /** Null when the upstream says nothing. */
  serviceTier: string | null;
  /** Null when the call succeeded. */
  error: ErrorInfo | null;
}

/** What the log does not tell of an item; all of it, if it tells nothing. */
type SealedItem = Omit<RecordedItem, 'item'> & Partial<Pick<RecordedItem, 'item'>>;

interface SealedEnd extends StepEnd {
  items: SealedItem[];
}

/** The text of a seal. `hidden` says that none of the step's events are in the log. */
export function encodeSeal(end: StepEnd, items: readonly RecordedItem[], { hidden }: { hidden: boolean }): string {
  const seal: SealedEnd = {
    ...end,
    items: items.map(({ item, ...rest }) => (hidden || rest.held_back ? { item, ...rest } : rest)),
  };
  return JSON.stringify(seal);
}

/** The end of a step from its seal and the fold of its events. */
export function decodeSeal(text: string, told: readonly ModelItem[]): { end: StepEnd; result: ModelResult } {
  const { items: sealed, ...end } = JSON.parse(text) as SealedEnd;
  const left = [...told];
  const items = sealed.flatMap(({ item = left.shift(), ...rest }): RecordedItem[] => (item ? [{ item, ...rest }] : []));
  return { end, result: resultOf(end, items) };
}

/** What a step produced. */
export function resultOf({ finish, usage, serviceTier }: StepEnd, items: RecordedItem[]): ModelResult {
  return { items, finish, usage, ...(serviceTier === null ? {} : { service_tier: serviceTier }) };
}

/** Bytes of a seal that fit into a header: JetStream takes 64 KiB of them, in base64. */
const HEADER_BYTES = 40 * 1024;

/** A seal as the log takes it: itself, or where it is. */
export async function packSeal(bus: Bus, text: string): Promise<Seal> {
  const bytes = Buffer.from(text);
  if (bytes.byteLength <= HEADER_BYTES) return text;
  const { blob } = await bus.blobs.put(bytes);
  return { blob };
}

/**
 * The inverse of {@link packSeal}.
 * @throws BlobExpired
 */
export async function unpackSeal(bus: Bus, seal: Seal): Promise<string> {
  if (typeof seal === 'string') return seal;
  const bytes = await bus.blobs.get(seal);
  if (!bytes) throw new BlobExpired(seal.blob);
  return Buffer.from(bytes).toString();
}
