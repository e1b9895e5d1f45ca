import { type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { type ObjectStore, Objm } from '@nats-io/obj';
import { connect } from '@nats-io/transport-node';
import type { LogMessage, ResponseEvidence } from './evidence.ts';

const LOG_STREAM = /^TR_LOG_\d+$/;
const BUCKET = 'tailrace';
const BATCH = 256;
const BATCH_EXPIRES_MS = 10_000;
/** A server that has much to do may let so many requests for more run out before the stream counts as unreadable. */
const EMPTY_BATCHES = 10;

/** A stream that had messages a moment ago did not send them all. */
export class LogsUnreadable extends Error {
  constructor(stream: string, left: number) {
    super(`${left} messages of ${stream} did not come`);
    this.name = 'LogsUnreadable';
  }
}

/**
 * Adds the messages of every log to its response, named by its uuid.
 * @throws LogsUnreadable
 */
export async function readLogs(natsUrl: string, of: (uuid: string) => ResponseEvidence): Promise<void> {
  const nc = await connect({ servers: natsUrl.split(','), name: 'checker' });
  try {
    const streams: string[] = [];
    for await (const name of (await jetstreamManager(nc)).streams.names())
      if (LOG_STREAM.test(name)) streams.push(name);
    const aside = new SetAside(nc);
    for (const stream of streams) {
      for await (const message of storedMessages(nc, stream)) {
        const uuid = message.subject.slice(message.subject.lastIndexOf('.') + 1);
        of(uuid).log.push(await logMessage(message, aside));
      }
    }
  } finally {
    await nc.close();
  }
}

async function* storedMessages(nc: NatsConnection, stream: string): AsyncGenerator<JsMsg> {
  const consumer = await jetstream(nc).consumers.get(stream);
  const { last_seq } = (await (await jetstreamManager(nc)).streams.info(stream)).state;
  let left = (await consumer.info()).num_pending;
  let received = 0;
  let empty = 0;
  while (left > 0) {
    let got = 0;
    const batch = await consumer.fetch({ max_messages: Math.min(left, BATCH), expires: BATCH_EXPIRES_MS });
    for await (const message of batch) {
      got += 1;
      left = message.info.pending;
      received += 1;
      yield message;
      // A server that was killed may count messages as pending that it does not have.
      if (left === 0 || message.seq >= last_seq) return;
    }
    empty = got > 0 ? 0 : empty + 1;
    if (got > 0) continue;
    const { messages } = (await (await jetstreamManager(nc)).streams.info(stream)).state;
    if (received >= messages) return;
    if (empty >= EMPTY_BATCHES) throw new LogsUnreadable(stream, left);
  }
}

async function logMessage(message: JsMsg, aside: SetAside): Promise<LogMessage> {
  const { headers } = message;
  const blob = text(headers, 'Tr-Blob');
  const bytes = blob === null ? message.data : await aside.get(blob);
  return {
    streamSeq: message.seq,
    at: Number(message.timestampNanos / 1_000n) / 1_000,
    first: Number(text(headers, 'Tr-First') ?? Number.NaN),
    last: Number(text(headers, 'Tr-Last') ?? Number.NaN),
    cursor: Number(text(headers, 'Tr-Cursor') ?? Number.NaN),
    writer: text(headers, 'Tr-Writer') ?? '',
    step: text(headers, 'Tr-Step'),
    attempt: headers?.has('Tr-Attempt') ? Number(headers.get('Tr-Attempt')) : null,
    sealed: headers?.has('Tr-Seal') ?? false,
    ended: text(headers, 'Tr-Ended'),
    text: bytes === null ? null : Buffer.from(bytes).toString(),
  };
}

function text(headers: MsgHdrs | undefined, name: string): string | null {
  return headers?.has(name) ? headers.get(name) : null;
}

/** Payloads that did not fit into their messages. */
class SetAside {
  readonly #nc: NatsConnection;
  #bucket: Promise<ObjectStore> | undefined;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
  }

  async get(name: string): Promise<Uint8Array | null> {
    this.#bucket ??= new Objm(this.#nc).open(BUCKET);
    return (await this.#bucket).getBlob(name);
  }
}
