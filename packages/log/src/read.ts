import { AckPolicy, type ConsumerInfo, DeliverPolicy, JetStreamApiError } from '@nats-io/jetstream';
import { createInbox, type Msg, type MsgHdrs, nanos, type Subscription } from '@nats-io/nats-core';
import { type Bus, dropPayload, logStream, logSubject, payloadOf, payloadPieces, QueueMessage } from '@tailrace/bus';
import type { LogTarget } from './append.ts';
import { decodeMeta, type LogMeta } from './message.ts';

/** A message of a log. */
export interface LogMessage {
  streamSeq: number;
  meta: LogMeta;
  /** Whole SSE frames. */
  bytes: Uint8Array;
}

/** The same, whose frames are fetched when they are asked for. */
export interface LazyLogMessage extends Omit<LogMessage, 'bytes'> {
  /** Whole SSE frames. */
  load(): Promise<Uint8Array>;
  /** The same bytes piece by piece: no more is held than is being looked at. */
  pieces(): AsyncGenerator<Uint8Array, void>;
}

interface StoredMessage {
  streamSeq: number;
  headers: MsgHdrs | undefined;
  data: Uint8Array;
}

/** The messages that are asked for, and so held, at once. */
const BATCH = { messages: 32, bytes: 96 * 1024 };
const BATCH_EXPIRES_MS = 5_000;
/** The server's status also for a consumer that is gone: then there is nothing either way. */
const TOO_LARGE = 409;

/** The server had messages for us a moment ago, and did not send them all. */
export class LogReadBroken extends Error {
  constructor(target: LogTarget) {
    super(`reading the log of ${target.id} stopped half way`);
    this.name = 'LogReadBroken';
  }
}

/**
 * The stored messages of a log after stream sequence `after`, up to its end at this moment, in batches that are fetched
 * as they are consumed. One short-lived consumer serves them, whatever their number.
 * @throws LogReadBroken when the stream ends early; the caller goes on from the last message it got.
 */
export async function* readLog(target: LogTarget, after: number): AsyncGenerator<LogMessage> {
  for await (const { load, streamSeq, meta } of readLogLazily(target, after)) {
    yield { streamSeq, meta, bytes: await load() };
  }
}

/** The same messages without their frames. */
export async function* readMetas(target: LogTarget, after: number): AsyncGenerator<Omit<LogMessage, 'bytes'>> {
  for await (const message of storedMessages(target, after, { headersOnly: true })) {
    yield { streamSeq: message.streamSeq, meta: decodeMeta(message.headers) };
  }
}

/** The same, for whom it is too much to hold a message. */
export async function* readLogLazily(target: LogTarget, after: number): AsyncGenerator<LazyLogMessage> {
  for await (const message of storedMessages(target, after, { headersOnly: false })) {
    yield lazily(target.bus, message.streamSeq, decodeMeta(message.headers), message);
  }
}

/** A message of a log as it has come. */
export function lazily(
  bus: Bus,
  streamSeq: number,
  meta: LogMeta,
  message: { data: Uint8Array; headers?: MsgHdrs | undefined },
): LazyLogMessage {
  return { streamSeq, meta, load: () => payloadOf(bus, message), pieces: () => payloadPieces(bus, message) };
}

/** Removes what travels beside a log's messages: the log itself is about to go. */
export async function dropLogPayloads(target: LogTarget): Promise<void> {
  for await (const message of storedMessages(target, 0, { headersOnly: true })) {
    await dropPayload(target.bus, message);
    const { seal } = decodeMeta(message.headers);
    if (seal !== null && typeof seal !== 'string') await target.bus.blobs.remove(seal);
  }
}

async function* storedMessages(
  { bus, partition, id }: LogTarget,
  after: number,
  { headersOnly }: { headersOnly: boolean },
): AsyncGenerator<StoredMessage> {
  const stream = logStream(partition);
  const info = await bus.jsm.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
    filter_subject: logSubject(partition, id),
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: nanos(30_000),
    headers_only: headersOnly,
  });
  let left = info.num_pending;
  try {
    while (left > 0) {
      let batch = await fetchBatch(bus, info, { batch: Math.min(left, BATCH.messages), max_bytes: BATCH.bytes });
      // One that is larger than a batch, as nobody writes them, comes alone.
      if (batch === 'too large') batch = await fetchBatch(bus, info, { batch: 1 });
      if (batch === 'too large' || batch.length === 0) throw new LogReadBroken({ bus, partition, id });
      left -= batch.length;
      yield* batch;
    }
  } finally {
    await forget(bus, info);
  }
}

/** Deletes a consumer, unless its reader has stood still for so long that the server has done it. */
async function forget(bus: Bus, { stream_name, name }: ConsumerInfo): Promise<void> {
  try {
    await bus.jsm.consumers.delete(stream_name, name);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.status !== 404) throw error;
  }
}

/**
 * What a consumer has next, up to a number of messages and of bytes: fewer when the next one would be too large, and none when
 * the server does not answer. By hand: the client library takes "too large" for an error, and does not say what it was.
 */
async function fetchBatch(
  { nc }: Bus,
  { stream_name, name }: ConsumerInfo,
  wanted: { batch: number; max_bytes?: number },
): Promise<StoredMessage[] | 'too large'> {
  const inbox = createInbox();
  const messages: StoredMessage[] = [];
  let timer: NodeJS.Timeout | undefined;
  let subscription: Subscription | undefined;
  let status = 0;
  try {
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, BATCH_EXPIRES_MS);
      subscription = nc.subscribe(inbox, {
        callback: (error, message) => {
          if (!error) status = statusOf(message);
          if (error || status !== 0) return resolve();
          messages.push(detached(message));
          if (messages.length === wanted.batch) resolve();
        },
      });
      const request = JSON.stringify({ ...wanted, expires: nanos(BATCH_EXPIRES_MS) });
      nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream_name}.${name}`, request, { reply: inbox });
    });
  } finally {
    clearTimeout(timer);
    subscription?.unsubscribe();
  }
  return messages.length === 0 && status === TOO_LARGE ? 'too large' : messages;
}

/** As it came, a message is a view of everything that came with it, which would be held for as long as one of them is. */
function detached(message: Msg): StoredMessage {
  const { streamSeq, headers } = new QueueMessage(message);
  return { streamSeq, headers, data: new Uint8Array(message.data) };
}

/** What the server tells instead of a message; 0 for a message. */
function statusOf({ headers, data }: Msg): number {
  return data.length === 0 ? (headers?.code ?? 0) : 0;
}
