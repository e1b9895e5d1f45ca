/** The logs of worlds. */
import type { ResponseEvent, UnnumberedEvent } from '@tailrace/protocol';
import { assemble, project } from '../src/index.ts';
import { lastOf } from './every-world.ts';
import { type Moment, play } from './play.ts';
import { worlds } from './world.ts';

/** Any world, played to its end. */
export const played = worlds.map(play);

/** The events that the orchestrator appends for one entry, when it has published all before it. */
export const entryEvents = ({ record, chain }: Moment): UnnumberedEvent[] => project(record, chain, record.entries - 1);

/** The log as it stands after a moment: each model step's own events right before the entry that records the step. */
export const logOf = (moments: readonly Moment[]): ResponseEvent[] =>
  numbered(moments.flatMap((moment) => [...moment.published, ...entryEvents(moment)]));

/** The events with their numbers. */
export const numbered = (events: readonly UnnumberedEvent[]): ResponseEvent[] =>
  events.map((event, sequence_number) => ({ ...event, sequence_number }));

/** The log as it is made anew when the first one is gone. */
export const replayed = ({ record, chain }: Pick<Moment, 'record' | 'chain'>): ResponseEvent[] =>
  numbered(project(record, chain, 0, { replay: true }));

/** What the response has put out in the end. */
export const assembledOutput = (moments: readonly Moment[]) => {
  const { record, chain } = lastOf(moments);
  return assemble(record, chain).output;
};
