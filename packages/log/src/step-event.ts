/** What a model step tells in a log, wherever it stands. Pure. */
import type { ItemEvent, ResponseEvent } from '@tailrace/protocol';

/** An event of a model step, with its number in the log. */
export type StepEvent = ItemEvent & { sequence_number: number };

/** The event of a step in an event of its log: the one that the progress of an agent is about, or itself. */
export function stepEvent(event: ResponseEvent): StepEvent {
  if (event.type === 'tailrace.progress') return { ...event.event, sequence_number: event.sequence_number };
  if ('response' in event || event.type === 'error') throw new Error(`a step does not write ${event.type}`);
  return event;
}
