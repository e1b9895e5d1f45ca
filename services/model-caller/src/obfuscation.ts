/** Padding that evens out the sizes of deltas, so that who sees only the sizes of packets does not learn the words. */
import { randomBytes } from 'node:crypto';
import type { UnnumberedEvent } from '@tailrace/protocol';

/** Bytes that a delta and its padding come to, or a multiple of it. */
const STEP = 16;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_';

/** An event with padding, if it is a delta: at least one letter, up to the next multiple of {@link STEP}. */
export function obfuscated<E extends UnnumberedEvent>(event: E): E {
  if (!('delta' in event)) return event;
  const length = STEP - (Buffer.byteLength(JSON.stringify(event.delta)) % STEP);
  return { ...event, obfuscation: letters(length) };
}

function letters(length: number): string {
  return Array.from(randomBytes(length), (byte) => LETTERS[byte % LETTERS.length]).join('');
}
