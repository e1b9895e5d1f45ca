/** What JetStream has lost of logs is noticed, and taken up from the chain. */
import { type Bus, PublishUncertain } from '@tailrace/bus';
import { loadResponse, type StoredResponse } from '@tailrace/database';
import { readEnd } from '@tailrace/log';
import { foldEvents, type ResponseEvent } from '@tailrace/protocol';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { takeLease } from '../src/lease.ts';
import { recoverLostLogs } from '../src/lost-logs.ts';
import { bringLogUpToDate, logOf, positionBefore } from '../src/projector.ts';
import { GAP, LosingNats, never, stepOf } from './losing-nats.ts';

const nats = new LosingNats();

/** The stream of a log from where it began anew the last time. */
function lastPart(events: ResponseEvent[]): ResponseEvent[] {
  return events.slice(events.findLastIndex(({ type }) => type === 'response.created'));
}

/** What publishes only under this prefix: nothing else is ever acknowledged. */
function only(publisher: Bus['publisher'], prefix: string): Bus['publisher'] {
  const publish: Bus['publisher']['publish'] = async (subject, ...rest) => {
    if (!subject.startsWith(prefix)) throw new PublishUncertain(subject, 'planted');
    return publisher.publish(subject, ...rest);
  };
  return Object.assign(Object.create(publisher), { publish }) as Bus['publisher'];
}

describe('JetStream has lost everything', () => {
  test('a response in its first model call, whose gateway was an hour ahead: its log begins beyond what there was', async () => {
    const response = await nats.begun();
    await nats.recover();
    await sql`UPDATE responses SET created_at = created_at + interval '1 hour'`.execute(nats.database);
    await nats.wipe();
    expect(await nats.recover()).toBe(1);
    const events = await nats.eventsOf(response);
    expect(events[0]).toMatchObject({ type: 'response.created' });
    expect(events[0]?.sequence_number).toBeGreaterThan(GAP);
    expect(await nats.handedOut()).toBe(1);
    expect(await nats.recover()).toBe(0);
  });

  test('one that was just not begun begins at 0', async () => {
    await nats.wipe();
    expect((await nats.eventsOf(await nats.begun()))[0]?.sequence_number).toBe(0);
  });

  test('one that cannot be taken up does not keep the others, and is tried again', async () => {
    const responses = await Promise.all(Array.from({ length: 5 }, () => nats.begun()));
    await nats.recover();
    await nats.wipe();
    const broken = responses[2]?.record.id ?? '';
    const refused = { ...nats.bus.publisher, publish: nats.bus.publisher.publish.bind(nats.bus.publisher) };
    const failing: Bus = {
      ...nats.bus,
      publisher: Object.assign(Object.create(nats.bus.publisher), {
        publish: (subject: string, ...rest: unknown[]) => {
          if (subject.endsWith(broken)) throw new TypeError('planted');
          return Reflect.apply(refused.publish, nats.bus.publisher, [subject, ...rest]);
        },
      }) as Bus['publisher'],
    };
    expect(await recoverLostLogs({ ...nats.context, bus: failing }, nats.lookedAt, never)).toBe(4);
    expect(await nats.recover()).toBe(1);
    expect(await nats.recover()).toBe(0);
    for (const response of responses) expect(await nats.eventsOf(response)).not.toEqual([]);
  });

  test('one whose log was begun anew by who was killed then: its step is handed out, and only once', async () => {
    const { record } = await nats.begun();
    await nats.recover();
    await nats.wipe();
    const killed = { ...nats.context, bus: { ...nats.bus, publisher: only(nats.bus.publisher, 'tr.log.') } };
    expect(await recoverLostLogs(killed, new Map(), AbortSignal.timeout(500))).toBe(0);
    expect(await nats.eventsOf({ record } as StoredResponse)).not.toEqual([]);
    expect(await nats.handedOut()).toBe(0);
    nats.lookedAt.clear();
    expect(await nats.recover()).toBe(1);
    expect(await nats.handedOut()).toBe(1);
    expect(await nats.recover()).toBe(0);
    expect(await nats.handedOut()).toBe(1);
  });

  test('one process at a time is at it; what one has left that was killed, the next one takes up', async () => {
    await nats.begun();
    await nats.recover();
    await nats.wipe();
    const other = await takeLease(nats.context, 'recovery of TR_LOG_0', 60_000);
    expect(await nats.recover()).toBe(0);
    await other?.release();
    const killed = await takeLease(nats.context, 'recovery of TR_LOG_0', 1);
    await expect.poll(() => nats.recover()).toBe(1);
    expect(await killed?.renew()).toBe(false);
  });
});

describe('JetStream has lost what came last', () => {
  test('a response in a model call: its log begins anew, and the step is handed out from there', async () => {
    const response = await nats.begun();
    const restore = await nats.keep();
    await nats.tell(response, 'seen', null);
    await nats.recover();
    await restore();
    expect(await nats.recover()).toBe(1);
    const events = await nats.eventsOf(response);
    expect(lastPart(events)[0]?.sequence_number).toBeGreaterThan(GAP);
    expect(await nats.handedOut()).toBe(1);
    const end = await readEnd(logOf(nats.context, response.record.id));
    const position = await positionBefore(nats.context, response.record.id, stepOf(response));
    expect(position).toMatchObject({ streamSeq: end?.streamSeq, nextEvent: (end?.meta.last ?? 0) + 1 });
    expect(await nats.recover()).toBe(0);
    expect(await nats.eventsOf(response)).toEqual(events);
  });

  test('it is noticed although the stream has grown beyond what it was', async () => {
    const response = await nats.begun();
    const restore = await nats.keep();
    await nats.tell(response, 'seen', null);
    await nats.recover();
    await restore();
    for (let more = 0; more < 3; more += 1) await nats.begun();
    expect(await nats.recover()).toBeGreaterThan(0);
    expect(lastPart(await nats.eventsOf(response))[0]?.sequence_number).toBeGreaterThan(GAP);
  });

  test('a step that has come to its end in the log is left alone', async () => {
    const response = await nats.begun();
    await nats.tell(response, 'hello', '{}');
    const before = await nats.eventsOf(response);
    const restore = await nats.keep();
    await nats.begun();
    await nats.recover();
    await restore();
    await nats.recover();
    expect(await nats.eventsOf(response)).toEqual(before);
  });

  test('a response that has ended: only its end is missing, and is the same again', async () => {
    const response = await nats.begun();
    await nats.tell(response, 'hello', '{}');
    const restore = await nats.keep();
    const ended = await nats.record(response);
    await bringLogUpToDate(nats.context, ended, undefined, never);
    const before = await nats.eventsOf(response);
    await nats.recover();
    await restore();
    await nats.recover();
    expect(await nats.eventsOf(response)).toEqual(before);
    expect((await readEnd(logOf(nats.context, response.record.id)))?.meta.ended).toBe('completed');
  });

  test('a response that has ended: a part of its answer is missing, and its stream begins anew', async () => {
    const response = await nats.begun();
    const restore = await nats.keep();
    await nats.tell(response, 'hello', '{}');
    await bringLogUpToDate(nats.context, await nats.record(response), undefined, never);
    await nats.recover();
    await restore();
    await nats.recover();
    const events = await nats.eventsOf(response);
    expect(events.map(({ sequence_number: number }) => number)).toEqual(
      events.map(({ sequence_number: number }) => number).toSorted((a, b) => a - b),
    );
    expect(foldEvents(lastPart(events))).toMatchObject({ status: 'completed', output: [{ type: 'message' }] });
    const stored = await loadResponse(nats.database, response.record.id);
    expect(events.at(-1)?.sequence_number).toBe((stored?.record.nextEvent ?? 0) - 1);
    expect((await readEnd(logOf(nats.context, response.record.id)))?.meta.ended).toBe('completed');
  });
});
