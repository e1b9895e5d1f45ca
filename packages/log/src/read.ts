import { AckPolicy, DeliverPolicy, type JsMsg } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { dropPayload, logStream, logSubject, payloadOf } from '@tailrace/bus';
import type { LogTarget } from './append.ts';
import { decodeMeta, type LogMeta } from './message.ts';

/** A message of a log. */
export interface LogMessage {
  streamSeq: number;
  meta: LogMeta;
  /** Whole SSE frames. */
  bytes: Uint8Array;
}

/** The messages that are asked for, and so held, at once: few while they are large, more while they are small. */
const BATCH = { fewest: 3, most: 32, smallBytes: 32 * 1024 };
const BATCH_EXPIRES_MS = 5_000;

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
  for await (const message of storedMessages(target, after, { headersOnly: false })) {
    yield { streamSeq: message.seq, meta: decodeMeta(message.headers), bytes: await payloadOf(target.bus, message) };
  }
}

/** Removes what travels beside a log's messages: the log itself is about to go. */
export async function dropLogPayloads(target: LogTarget): Promise<void> {
  for await (const message of storedMessages(target, 0, { headersOnly: true })) await dropPayload(target.bus, message);
}

async function* storedMessages(
  { bus, partition, id }: LogTarget,
  after: number,
  { headersOnly }: { headersOnly: boolean },
): AsyncGenerator<JsMsg> {
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
  let size = BATCH.fewest;
  try {
    const consumer = bus.js.consumers.getConsumerFromInfo(info);
    while (left > 0) {
      const wanted = Math.min(left, size);
      const batch = await consumer.fetch({ max_messages: wanted, expires: BATCH_EXPIRES_MS });
      let got = 0;
      let bytes = 0;
      for await (const message of batch) {
        got += 1;
        bytes += message.data.length;
        yield message;
        if (got === wanted) break;
      }
      if (got === 0) throw new LogReadBroken({ bus, partition, id });
      left -= got;
      size = bytes <= BATCH.smallBytes ? Math.min(size * 2, BATCH.most) : BATCH.fewest;
    }
  } finally {
    await bus.jsm.consumers.delete(stream, info.name);
  }
}
