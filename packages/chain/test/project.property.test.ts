import { foldEvents, type ResponseEvent, TERMINAL_EVENTS, type UnnumberedEvent } from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assemble, project } from '../src/index.ts';
import { type Moment, play, worlds } from './world.ts';

const RUNS = { numRuns: 300 };
const played = worlds.map(play);

/** The events that the orchestrator appends for one entry, when it has published all before it. */
const entryEvents = ({ record, chain }: Moment): UnnumberedEvent[] => project(record, chain, record.entries - 1);

/** The log as it stands after a moment: each model step's own events right before the entry that records the step. */
const logOf = (moments: readonly Moment[]): ResponseEvent[] =>
  moments
    .flatMap((moment) => [...moment.published, ...entryEvents(moment)])
    .map((event, sequence_number) => ({ ...event, sequence_number }));

const lastOf = (moments: readonly Moment[]): Moment => {
  const last = moments.at(-1);
  if (!last) throw new Error('a played world has moments');
  return last;
};

describe('the projection, in any world', () => {
  test('is the same entry by entry and in chunks of any size', () => {
    fc.assert(
      fc.property(played, fc.nat(), fc.nat(), (moments, a, b) => {
        const from = a % moments.length;
        const to = from + (b % (moments.length - from));
        const { record, chain } = moments[to] ?? lastOf(moments);
        expect(project(record, chain, from)).toEqual(moments.slice(from, to + 1).flatMap(entryEvents));
        expect(project(record, chain, record.entries)).toEqual([]);
      }),
      RUNS,
    );
  });

  test('ends the log with its only terminal event, which is there as soon as the response has ended', () => {
    fc.assert(
      fc.property(played, (moments) => {
        const types = logOf(moments).map((event) => event.type);
        expect(types.filter((type) => TERMINAL_EVENTS.has(type))).toEqual(types.slice(-1));
        const { status } = lastOf(moments).record;
        expect(types.at(-1)).toBe(`response.${status}`);
        expect(logOf(moments.slice(0, -1)).some((event) => TERMINAL_EVENTS.has(event.type))).toBe(false);
      }),
      RUNS,
    );
  });

  test('begins as the specification says', () => {
    fc.assert(
      fc.property(played, (moments) => {
        const { background } = lastOf(moments).record.request.body;
        const types = logOf(moments).map((event) => event.type);
        const opening = ['response.created', ...(background ? ['response.queued'] : []), 'response.in_progress'];
        expect(types.slice(0, opening.length)).toEqual(opening);
        expect(types.slice(opening.length).some((type) => opening.includes(type))).toBe(false);
      }),
      RUNS,
    );
  });

  test('folds, after every entry, to what the chain assembles to (I3)', () => {
    fc.assert(
      fc.property(played, (moments) => {
        moments.forEach(({ record, chain }, index) => {
          expect(foldEvents(logOf(moments.slice(0, index + 1)))).toStrictEqual(assemble(record, chain));
        });
      }),
      RUNS,
    );
  });

  test('carries in its terminal event what the fold has built from the others', () => {
    fc.assert(
      fc.property(played, (moments) => {
        const log = logOf(moments);
        const last = log.at(-1);
        if (!last || !('response' in last)) throw new Error('the last event is the terminal one');
        expect(foldEvents(log.slice(0, -1)).output).toStrictEqual(last.response.output);
        expect(foldEvents(log)).toStrictEqual(last.response);
      }),
      RUNS,
    );
  });

  test('counts its events: nextEvent is where the log ends', () => {
    fc.assert(
      fc.property(played, (moments) => {
        moments.forEach(({ record }, index) => {
          expect(record.nextEvent).toBe(logOf(moments.slice(0, index + 1)).length);
        });
      }),
      RUNS,
    );
  });

  test('of a lost log folds to the same, at every moment', () => {
    fc.assert(
      fc.property(played, (moments) => {
        for (const { record, chain } of moments) {
          const replayed = project(record, chain, 0, { replay: true });
          const numbered = replayed.map((event, sequence_number) => ({ ...event, sequence_number }));
          expect(foldEvents(numbered)).toStrictEqual(assemble(record, chain));
        }
      }),
      RUNS,
    );
  });
});
