import { assemble } from '@tailrace/chain';
import { decodeFrames } from '@tailrace/log';
import { foldEvents } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { replayAnew, replayFrames } from '../src/replay.ts';
import { answeringStep, callingStep, completedRecord, toolStep } from './stored.ts';

/** Far more than the events that a projection has. */
const EVENTS = 500;
const stored = { record: completedRecord(EVENTS), chain: [callingStep(), toolStep(), answeringStep()] };
const replayed = (after: number) => decodeFrames(Buffer.from(replayFrames(stored, after)));

describe('a stream that is projected from the chain', () => {
  test('from its beginning: it folds to the response, in order, the terminal event with its own number', () => {
    const events = replayed(-1);
    expect(foldEvents(events)).toEqual(assemble(stored.record, stored.chain));
    const numbers = events.map((event) => event.sequence_number);
    expect(numbers.slice(0, -1)).toEqual(numbers.slice(0, -1).map((_, index) => index));
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', sequence_number: EVENTS - 1 });
    expect(events.map((event) => event.type).filter((type) => type === 'response.completed')).toHaveLength(1);
  });

  test('after each event: the rest, byte for byte', () => {
    const whole = replayFrames(stored, -1);
    const frames = whole.split(/(?<=\n\n)/);
    for (let after = 0; after < frames.length - 1; after += 1) {
      expect(replayFrames(stored, after)).toBe(frames.slice(after + 1).join(''));
    }
  });

  test('after an event that only the log had: the terminal event', () => {
    expect(replayed(EVENTS - 2)).toMatchObject([{ type: 'response.completed', sequence_number: EVENTS - 1 }]);
  });

  test('after the last event: nothing', () => {
    expect(replayFrames(stored, EVENTS - 1)).toBe('');
  });

  test('after what only a lost log can have had: anew, with the same numbers each time', () => {
    const anew = replayAnew(stored, EVENTS + 100);
    expect(replayFrames(stored, EVENTS + 100)).toBe(anew);
    expect(replayAnew(stored, -1)).toBe(anew);
    const events = decodeFrames(Buffer.from(anew));
    expect(foldEvents(events)).toEqual(assemble(stored.record, stored.chain));
    const frames = anew.split(/(?<=\n\n)/);
    frames.forEach((_, index) => {
      const { sequence_number: after } = events[index] ?? { sequence_number: 0 };
      expect(replayFrames(stored, after)).toBe(frames.slice(index + 1).join(''));
    });
  });

  test('its frames are those of the log: a name, a number, a line of data', () => {
    expect(replayFrames(stored, EVENTS - 2)).toMatch(/^event: response\.completed\nid: 499\ndata: \{.*\}\n\n$/);
  });
});
