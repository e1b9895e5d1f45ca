import { assemble, project } from '@tailrace/chain';
import { decodeFrames, encodeFrames, type LogMeta } from '@tailrace/log';
import { foldEvents } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { replayAnew } from '../src/replay.ts';
import { replayRest } from '../src/untold-end.ts';
import { answeringStep, callingStep, completedRecord, toolStep } from './stored.ts';

const EVENTS = 500;
const stored = { record: completedRecord(EVENTS), chain: [callingStep(), toolStep(), answeringStep()] };

/** A log whose last message holds so many entries of the chain, and ends with this event. */
const endingAt = (cursor: number, last: number): LogMeta => ({
  first: last,
  last,
  cursor,
  writer: 'w',
  step: null,
  seal: null,
  ended: null,
});

describe('what a log lacks of a response that has ended', () => {
  test('is what an orchestrator would append', () => {
    const events = project(stored.record, stored.chain, 3);
    const first = EVENTS - events.length;
    const whole = replayRest(stored, endingAt(3, first - 1), -1);
    expect(whole).toBe(encodeFrames(events, first));
    expect(decodeFrames(Buffer.from(whole)).at(-1)).toMatchObject({ sequence_number: EVENTS - 1 });
    expect(replayRest(stored, endingAt(3, first - 1), EVENTS - 1)).toBe('');
  });

  test.each([
    ['events of a model step', endingAt(3, EVENTS - 20)],
    ['events of a model step, and entries', endingAt(1, 5)],
    ['nothing but its end, as it seems', endingAt(4, EVENTS - 1)],
  ])('is a stream that begins anew where it has lost %s', (_what, last) => {
    const anew = replayRest(stored, last, 30);
    expect(anew).toBe(replayAnew(stored, 30));
    const events = decodeFrames(Buffer.from(anew));
    expect(foldEvents(events)).toEqual(assemble(stored.record, stored.chain));
    expect(events[0]?.sequence_number).toBeGreaterThan(EVENTS);
    const seen = events[2]?.sequence_number ?? 0;
    expect(decodeFrames(Buffer.from(replayRest(stored, last, seen)))).toEqual(events.slice(3));
  });
});
