import { encodeFrames } from '@tailrace/log';
import { ApiError, type UnnumberedEvent, webSocketErrorEvent } from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorMessage, eventMessages } from '../src/websocket-messages.ts';

const messagesOf = (frames: Uint8Array) => [...eventMessages(frames)].map((message) => Buffer.from(message).toString());

describe('eventMessages', () => {
  test('are the data of the frames, byte for byte, whatever was said', () => {
    const events = fc.array(
      fc
        .oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\n\n', '\ndata: {"type":"x"}\n\n', 'event: error\n'))
        .map((delta): UnnumberedEvent => {
          return { type: 'response.refusal.delta', item_id: 'msg_1', output_index: 0, content_index: 0, delta };
        }),
    );
    fc.assert(
      fc.property(events, (said) => {
        const frames = encodeFrames(said, 0);
        const data = frames
          .split('\n')
          .filter((line) => line.startsWith('data: '))
          .map((line) => line.slice('data: '.length));
        expect(messagesOf(Buffer.from(frames))).toEqual(data);
        expect(data.map((each) => JSON.parse(each).delta)).toEqual(
          said.map((event) => (event.type === 'response.refusal.delta' ? event.delta : undefined)),
        );
      }),
    );
  });

  test('leave the error event out', () => {
    const error: UnnumberedEvent = { type: 'error', error: { type: 'e', code: 'c', message: 'm', param: null } };
    const text: UnnumberedEvent = {
      type: 'response.refusal.delta',
      item_id: 'msg_1',
      output_index: 0,
      content_index: 0,
      delta: 'error',
    };
    const messages = messagesOf(Buffer.from(encodeFrames([text, error, text], 0)));
    expect(messages.map((message) => JSON.parse(message).sequence_number)).toEqual([0, 2]);
  });

  test('there are none in nothing', () => {
    expect(messagesOf(new Uint8Array(0))).toEqual([]);
  });

  test.each(['event: x\nid: 1\n', 'event: x\n\n', 'event: x\n\nevent: y\nid: 1\ndata: {}\n\n'])(
    'what is no run of whole frames is not taken for one: %j',
    (frames) => {
      expect(() => messagesOf(Buffer.from(frames))).toThrow('a frame without');
    },
  );
});

test('an error is told as the specification has it', () => {
  const message = JSON.parse(errorMessage(new ApiError('unknown_parameter', { param: 'x' }, { param: 'x' })));
  expect(webSocketErrorEvent.parse(message)).toEqual({
    type: 'error',
    status: 400,
    error: {
      type: 'invalid_request_error',
      code: 'unknown_parameter',
      message: "Unknown parameter: 'x'.",
      param: 'x',
    },
  });
});
