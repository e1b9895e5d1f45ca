import type { LogProb, UnnumberedEvent } from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeFrames, dropFrames, encodeFrame, encodeFrames } from '../src/index.ts';

const anyText = fc.string({ unit: 'binary' });
const anyEvent: fc.Arbitrary<UnnumberedEvent> = fc.oneof(
  fc.record({
    type: fc.constant('response.output_text.delta' as const),
    item_id: anyText,
    output_index: fc.nat(),
    content_index: fc.nat(),
    delta: anyText,
    logprobs: fc.constant<LogProb[]>([]),
  }),
  fc.record({
    type: fc.constant('response.function_call_arguments.done' as const),
    item_id: anyText,
    output_index: fc.nat(),
    name: anyText,
    arguments: fc.constantFrom('\n\n', 'data: [DONE]\n\n', '\r\n\r\n', '\u2028\u2029', '\u0000', ''),
  }),
);

describe('a frame', () => {
  test('is event, id and data, and an empty line, with LF only', () => {
    const event: UnnumberedEvent = {
      type: 'response.refusal.delta',
      item_id: 'msg_1',
      output_index: 0,
      content_index: 0,
      delta: 'no\r\n\n',
    };
    expect(encodeFrame(event, 7)).toBe(
      'event: response.refusal.delta\nid: 7\ndata: {"type":"response.refusal.delta","sequence_number":7,' +
        '"item_id":"msg_1","output_index":0,"content_index":0,"delta":"no\\r\\n\\n"}\n\n',
    );
  });

  test('comes back as it went in, whatever is in it', () => {
    fc.assert(
      fc.property(fc.array(anyEvent), fc.nat(), (events, first) => {
        const decoded = decodeFrames(Buffer.from(encodeFrames(events, first)));
        const numbered = events.map((event, index) => ({ ...event, sequence_number: first + index }));
        expect(decoded).toEqual(JSON.parse(JSON.stringify(numbered)));
      }),
    );
  });
});

describe('dropFrames', () => {
  test('leaves the bytes of the frames after the first ones', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 8 }), fc.nat({ max: 9 }), (events, count) => {
        const rest = events.slice(count);
        const left = dropFrames(Buffer.from(encodeFrames(events, 0)), count);
        expect(Buffer.from(left).toString()).toBe(encodeFrames(rest, Math.min(count, events.length)));
      }),
    );
  });
});
