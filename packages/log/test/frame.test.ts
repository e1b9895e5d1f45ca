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
  test('leaves the bytes of the frames after the first ones, in whatever pieces they come', async () => {
    const events = fc.array(anyEvent, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(events, fc.nat({ max: 9 }), fc.integer({ min: 1, max: 400 }), async (run, count, size) => {
        const whole = Buffer.from(encodeFrames(run, 0));
        const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, index) =>
          whole.subarray(index * size, (index + 1) * size),
        );
        const left: Uint8Array[] = [];
        for await (const piece of dropFrames(pieces, count)) left.push(piece);
        expect(Buffer.concat(left).toString()).toBe(encodeFrames(run.slice(count), Math.min(count, run.length)));
      }),
    );
  });
});
