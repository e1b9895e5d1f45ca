/** The invariants of a finished response, as anybody outside the services can check them. */
import { foldEvents, TERMINAL_EVENTS } from '@tailrace/protocol';
import { expect } from 'vitest';
import { uuidOf } from './public-id.ts';
import { eventOf, idOf, type RawStream } from './sse.ts';
import type { TestStack } from './stack.ts';

/**
 * Checks a whole stream and what the server says of its response: I1 (gapless), I2 (one terminal event, last), I3 (the
 * fold is what GET returns), I5 (each step recorded once, none left open). Resolves with the response.
 */
export async function expectWhole(stack: TestStack, stream: RawStream): Promise<ReturnType<typeof foldEvents>> {
  const events = stream.frames.map(eventOf);
  expect(stream.done, 'the stream ends with [DONE]').toBe(true);
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
  expect(stream.frames.map(idOf)).toEqual(events.map((event) => event.sequence_number));
  expect(events.filter((event) => TERMINAL_EVENTS.has(event.type)).length).toBe(1);
  expect(TERMINAL_EVENTS.has(events.at(-1)?.type ?? 'response.created')).toBe(true);
  const folded = foldEvents(events);
  const answer = await stack.fetch(`/v1/responses/${folded.id}`);
  expect(await answer.json()).toEqual(folded);
  const last = events.at(-1);
  expect(last && 'response' in last ? last.response : undefined).toEqual(folded);
  const { rows } = await stack.database.query<{ state: string; ended_entry: number | null }>(
    'SELECT state, ended_entry FROM response_steps WHERE response_id = $1',
    [uuidOf(folded.id)],
  );
  expect(rows.every((row) => row.ended_entry !== null)).toBe(true);
  return folded;
}
