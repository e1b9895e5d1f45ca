import { decodeFrames, encodeFrames } from '@tailrace/log';
import type { UnnumberedEvent } from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventNamesOf, renameEvents, renamePieces } from '../src/event-names.ts';

describe('the names that a client is told', () => {
  test.each([
    ['the stream helper of OpenAI', { 'x-stainless-helper-method': 'stream' }, 'openai'],
    ['another helper', { 'x-stainless-helper-method': 'runTools' }, 'specification'],
    ['whoever asks', { 'tailrace-event-names': 'openai' }, 'openai'],
    ['anybody else', {}, 'specification'],
  ])('%s', (_who, headers, names) => {
    expect(eventNamesOf(headers)).toBe(names);
  });
});

const place = { item_id: 'rs_1', output_index: 0, content_index: 0 };

/** What somebody may have said in order to be taken for a frame. */
const said = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '\nevent: response.reasoning.delta\n',
    '\n\nevent: response.reasoning.done\nid: 1\ndata: {"type":"response.reasoning.done"',
    'event: response.reasoning.delta\r\n',
    '","type":"response.reasoning.delta"',
  ),
);
const reasoning: fc.Arbitrary<UnnumberedEvent> = fc.oneof(
  said.map((delta): UnnumberedEvent => ({ type: 'response.reasoning.delta', ...place, delta })),
  said.map((text): UnnumberedEvent => ({ type: 'response.reasoning.done', ...place, text })),
);
const other: fc.Arbitrary<UnnumberedEvent> = fc.oneof(
  said.map((delta): UnnumberedEvent => ({ type: 'response.output_text.delta', ...place, delta, logprobs: [] })),
  said.map(
    (delta): UnnumberedEvent => ({
      type: 'response.reasoning_summary_text.delta',
      item_id: 'rs_1',
      output_index: 0,
      summary_index: 0,
      delta,
    }),
  ),
  said.map(
    (text): UnnumberedEvent => ({
      type: 'response.content_part.done',
      ...place,
      part: { type: 'reasoning_text', text },
    }),
  ),
);
const framesOf = (events: readonly UnnumberedEvent[]) => Buffer.from(encodeFrames(events, 3));

describe('renameEvents', () => {
  test('renames both lines of a frame, and nothing that was said', () => {
    const delta = 'response.reasoning.delta';
    const renamed = renameEvents(framesOf([{ type: 'response.reasoning.delta', ...place, delta }]), 'openai');
    expect(Buffer.from(renamed).toString()).toBe(
      'event: response.reasoning_text.delta\nid: 3\ndata: {"type":"response.reasoning_text.delta","sequence_number":3,' +
        '"item_id":"rs_1","output_index":0,"content_index":0,"delta":"response.reasoning.delta"}\n\n',
    );
  });

  test('leaves everything as it is for those who go by the specification', () => {
    const frames = framesOf([{ type: 'response.reasoning.done', ...place, text: 'so' }]);
    expect(renameEvents(frames, 'specification')).toBe(frames);
  });

  test('passes frames without such an event through: the same buffer', () => {
    fc.assert(
      fc.property(fc.array(other), (events) => {
        const frames = framesOf(events);
        expect(renameEvents(frames, 'openai')).toBe(frames);
      }),
    );
  });

  test('changes no event but its name, whatever is said and whatever stands around it', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(reasoning, other)), (events) => {
        const frames = framesOf(events);
        // A view into a larger buffer, as messages are.
        const shifted = Buffer.concat([Buffer.from('x\n'), frames]).subarray(2);
        const renamed = renameEvents(shifted, 'openai');
        const text = Buffer.from(renamed).toString();
        expect(text.match(/^event: response\.reasoning\./m)).toBeNull();
        const back = decodeFrames(renamed).map((event) => {
          return { ...event, type: event.type.replace('response.reasoning_text.', 'response.reasoning.') };
        });
        expect(back).toEqual(decodeFrames(frames));
        const names = text.split('\n').filter((line) => line.startsWith('event: '));
        expect(names.map((line) => line.slice('event: '.length))).toEqual(
          decodeFrames(renamed).map((event) => event.type),
        );
      }),
    );
  });
});

describe('renamePieces', () => {
  test.each(['openai', 'specification'] as const)(
    'comes to the same for %s, in whatever pieces a run comes',
    async (names) => {
      const texts = fc.tuple(said, fc.nat({ max: 400 })).map(([text, times]): UnnumberedEvent => {
        return {
          type: 'response.reasoning.done',
          ...place,
          text: `${text}${'event: response.reasoning.\n'.repeat(times / 20)}`,
        };
      });
      const events = fc.array(fc.oneof(reasoning, other, texts), { minLength: 1 });
      await fc.assert(
        fc.asyncProperty(events, fc.integer({ min: 1, max: 700 }), async (run, size) => {
          const frames = framesOf(run);
          const pieces = Array.from({ length: Math.ceil(frames.length / size) }, (_, index) =>
            frames.subarray(index * size, (index + 1) * size),
          );
          const renamed: Uint8Array[] = [];
          for await (const piece of renamePieces(pieces, names)) renamed.push(piece);
          expect(Buffer.concat(renamed).toString()).toBe(Buffer.from(renameEvents(frames, names)).toString());
        }),
      );
    },
  );
});
