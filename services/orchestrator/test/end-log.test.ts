/** The end of a log that a crash has kept back. */
import { newId } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { endLogOf } from '../src/end-log.ts';
import { LosingNats, never } from './losing-nats.ts';

const nats = new LosingNats();

describe('the end of a log', () => {
  test('is appended once, whoever asks, and however often', async () => {
    const response = await nats.begun();
    await nats.tell(response, 'hello', '{}');
    await nats.record(response);
    const { id } = response.record;
    const all = await Promise.all([1, 2, 3].map(() => endLogOf(nats.context, id, never)));
    expect(all).toContain(true);
    expect(await endLogOf(nats.context, id, never)).toBe(false);
    const events = await nats.eventsOf(response);
    expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_, index) => index));
    expect(events.filter(({ type }) => type === 'response.completed')).toHaveLength(1);
  });

  test('is not there while the response lives, nor where there is no log', async () => {
    const response = await nats.begun();
    expect(await endLogOf(nats.context, response.record.id, never)).toBe(false);
    expect(await endLogOf(nats.context, newId(Date.now()), never)).toBe(false);
  });
});
