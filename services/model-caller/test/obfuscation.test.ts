import { EVENT_SCHEMAS, type UnnumberedEvent } from '@tailrace/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { obfuscated } from '../src/obfuscation.ts';

const delta = (text: string): UnnumberedEvent => ({
  type: 'response.refusal.delta',
  item_id: 'msg_1',
  output_index: 0,
  content_index: 0,
  delta: text,
});

test('a delta and its padding come to a multiple of 16 bytes, and nothing else changes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      const { obfuscation, ...rest } = obfuscated(delta(text)) as { obfuscation: string };
      expect(rest).toEqual(delta(text));
      expect(obfuscation).toMatch(/^[\w-]{1,16}$/);
      expect((Buffer.byteLength(JSON.stringify(text)) + obfuscation.length) % 16).toBe(0);
    }),
  );
});

test('words of about one length have frames of one length', () => {
  const sizes = new Set(['a', 'to', 'the', 'then'].map((word) => JSON.stringify(obfuscated(delta(word))).length));
  expect(sizes.size).toBe(1);
});

test('it is an event of the API; other events have no padding', () => {
  const event = obfuscated(delta('a'));
  expect(EVENT_SCHEMAS[event.type].safeParse({ ...event, sequence_number: 0 }).error).toBeUndefined();
  const done: UnnumberedEvent = {
    type: 'response.refusal.done',
    item_id: 'm',
    output_index: 0,
    content_index: 0,
    refusal: '',
  };
  expect(obfuscated(done)).toBe(done);
});
