/** What travels beside a message is there exactly as long as a message refers to it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headers as newHeaders } from '@nats-io/nats-core';
import { startNats } from '@tailrace/infra';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type Bus,
  connectBus,
  dropPayload,
  ensureStreams,
  Parcel,
  PublishRejected,
  PublishUncertain,
  payloadOf,
  publishUntilStored,
  WORK_STREAM,
  workSubject,
} from '../src/index.ts';

const BYTES = Buffer.alloc(200_000, 'x');
/** What comes in pieces always travels beside its message. */
const PIECES = () => [BYTES];
const BUCKET_STREAM = 'OBJ_tailrace';
const STREAMS = { partitions: 1, logMaxAgeMs: 3_600_000, duplicateWindowMs: 120_000 };
const never = new AbortController().signal;

let dir: string;
let nats: Awaited<ReturnType<typeof startNats>>;
let bus: Bus;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  nats = await startNats({ dir, log: () => undefined });
  bus = await connectBus({ url: nats.url, name: 'test' });
});
afterAll(async () => {
  await bus.close();
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  await ensureStreams(bus, STREAMS);
  await bus.jsm.streams.purge(WORK_STREAM);
  await bus.jsm.streams.purge(BUCKET_STREAM);
});

/** How many payloads lie beside the streams: each has its chunks under a subject of its own. */
async function beside(): Promise<number> {
  const { state } = await bus.jsm.streams.info(BUCKET_STREAM, { subjects_filter: '$O.tailrace.C.>' });
  return Object.keys(state.subjects ?? {}).length;
}

let subjects = 0;
function newSubject(): string {
  subjects += 1;
  return workSubject({ kind: 'tool', name: `parcel ${subjects}` }, 'default');
}

function withId(id: string, expectedLast?: number) {
  const headers = newHeaders();
  headers.set('Nats-Msg-Id', id);
  if (expectedLast !== undefined) headers.set('Nats-Expected-Last-Subject-Sequence', String(expectedLast));
  return headers;
}

/** The same bus, whose first `times` acknowledgements are not heard; `meanwhile` happens before their senders know. */
function deaf(times: number, meanwhile: (seq: number) => Promise<void> = () => Promise.resolve()): Bus {
  let left = times;
  const publisher: Bus['publisher'] = Object.create(bus.publisher) as Bus['publisher'];
  publisher.publish = async (subject, payload, headers) => {
    const ack = await bus.publisher.publish(subject, payload, headers);
    if (left === 0) return ack;
    left -= 1;
    await meanwhile(ack.seq);
    throw new PublishUncertain(subject, 'not heard');
  };
  return { ...bus, publisher };
}

async function storedPayload(seq: number): Promise<Buffer> {
  const message = await bus.jsm.streams.getMessage(WORK_STREAM, { seq });
  if (!message) throw new Error('no message');
  return Buffer.from(await payloadOf(bus, { data: message.data, headers: message.header }));
}

/** As whoever has dealt with a message does it. */
async function dealWith(seq: number): Promise<void> {
  const message = await bus.jsm.streams.getMessage(WORK_STREAM, { seq });
  await bus.jsm.streams.deleteMessage(WORK_STREAM, seq);
  await dropPayload(bus, { headers: message?.header });
}

test('a message that two have published is stored with what the first has put beside it', async () => {
  const subject = newSubject();
  const first = await publishUntilStored(bus, subject, PIECES, 'both', never);
  const second = await publishUntilStored(bus, subject, PIECES, 'both', never);
  expect([second.duplicate, second.seq]).toEqual([true, first.seq]);
  expect(await beside()).toBe(1);
  expect((await storedPayload(first.seq)).equals(BYTES)).toBe(true);
});

test('a message that is refused leaves nothing', async () => {
  const subject = newSubject();
  const refused = new Parcel(bus, subject, PIECES).publish(withId('refused', 7));
  await expect(refused).rejects.toThrow(PublishRejected);
  expect(await beside()).toBe(0);
});

test('a message that is repeated, because nothing was heard of it, is stored once, and so is what is beside it', async () => {
  const { seq, duplicate } = await publishUntilStored(deaf(2), newSubject(), PIECES, 'repeated', never);
  expect(duplicate).toBe(true);
  expect(await beside()).toBe(1);
  expect((await storedPayload(seq)).equals(BYTES)).toBe(true);
});

test('what was stored unheard keeps what is beside it, when the repetition is refused', async () => {
  const subject = newSubject();
  let seq = 0;
  const unheard = deaf(1, async (stored) => {
    seq = stored;
  });
  const parcel = new Parcel(unheard, subject, PIECES);
  await expect(parcel.publish(withId('a', 0))).rejects.toThrow(PublishUncertain);
  await expect(parcel.publish(withId('b', 0))).rejects.toThrow(PublishRejected);
  expect((await storedPayload(seq)).equals(BYTES)).toBe(true);
});

test('a message that was dealt with before its acknowledgement was heard leaves nothing', async () => {
  await publishUntilStored(deaf(1, dealWith), newSubject(), PIECES, 'dealt with', never);
  expect(await beside()).toBe(0);
});

test('a message that is repeated after JetStream has lost everything is whole', async () => {
  const wipe = async () => {
    await bus.jsm.streams.delete(WORK_STREAM);
    await bus.jsm.streams.delete(BUCKET_STREAM);
    await ensureStreams(bus, STREAMS);
  };
  const { seq } = await publishUntilStored(deaf(1, wipe), newSubject(), PIECES, 'after a wipe', never);
  expect((await storedPayload(seq)).equals(BYTES)).toBe(true);
  expect(await beside()).toBe(1);
});
