/** What an installation remembers of its streams. */
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { OrchestratorContext } from '../src/context.ts';
import { recoverLostLogs } from '../src/lost-logs.ts';
import { LosingNats, never } from './losing-nats.ts';

const nats = new LosingNats();

/** A process to which something happens between its look at a stream and whatever it does then. */
function lookedPast(happens: () => Promise<void>): OrchestratorContext {
  const { bus } = nats;
  const { jsm } = bus;
  const info: typeof jsm.streams.info = async (...args) => {
    const seen = await jsm.streams.info(...args);
    await happens();
    return seen;
  };
  const streams = Object.assign(Object.create(jsm.streams), { info });
  return { ...nats.context, bus: { ...bus, jsm: Object.assign(Object.create(jsm), { streams }) } };
}

describe('a stream', () => {
  test('where another process notes its end meanwhile has lost nothing, and what this one has seen does not replace that', async () => {
    const response = await nats.begun();
    await nats.recover();
    const before = await nats.eventsOf(response);
    const notes = () => sql<{ value: string }>`SELECT * FROM installation ORDER BY name`.execute(nats.database);
    let noted = await notes();
    await recoverLostLogs(
      lookedPast(async () => {
        await nats.begun();
        await nats.recover();
        noted = await notes();
      }),
      new Map(),
      never,
    );
    expect(await nats.eventsOf(response)).toEqual(before);
    expect((await notes()).rows).toEqual(noted.rows);
  });

  test('that ends as it was noted has lost nothing', async () => {
    const response = await nats.begun();
    await nats.recover();
    const before = await nats.eventsOf(response);
    const restore = await nats.keep();
    await restore();
    expect(await nats.recover()).toBe(0);
    expect(await nats.eventsOf(response)).toEqual(before);
  });
});
