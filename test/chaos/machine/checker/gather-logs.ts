import { jetstreamManager, type StoredMsg } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { type ObjectStore, Objm } from '@nats-io/obj';
import { connect } from '@nats-io/transport-node';
import type { LogMessage, ResponseEvidence } from './evidence.ts';

const LOG_STREAM = /^TR_LOG_\d+$/;
const BUCKET = 'tailrace';

/**
 * Adds the messages of every log to its response, named by its uuid.
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

/** One by one: a consumer of a server that was killed and wiped may count messages, and hand out, what is not there. */
async function* storedMessages(nc: NatsConnection, stream: string): AsyncGenerator<StoredMsg> {
  const { streams } = await jetstreamManager(nc);
  const { last_seq } = (await streams.info(stream)).state;
  for (let seq = 1; seq <= last_seq; ) {
    const query = { seq, next_by_subj: '>' };
    const message = await streams.getMessage(stream, query);
    if (message === null) return;
    yield message;
    seq = message.seq + 1;
  }
}

async function logMessage(message: StoredMsg, aside: SetAside): Promise<LogMessage> {
  const headers = message.header;
  const blob = text(headers, 'Tr-Blob');
  const bytes = blob === null ? message.data : await aside.get(blob);
  return {
    streamSeq: message.seq,
    at: message.time.getTime(),
    first: Number(text(headers, 'Tr-First') ?? Number.NaN),
    last: Number(text(headers, 'Tr-Last') ?? Number.NaN),
    cursor: Number(text(headers, 'Tr-Cursor') ?? Number.NaN),
    writer: text(headers, 'Tr-Writer') ?? '',
    step: text(headers, 'Tr-Step'),
    attempt: headers.has('Tr-Attempt') ? Number(headers.get('Tr-Attempt')) : null,
    sealed: headers.has('Tr-Seal') || headers.has('Tr-Seal-Blob'),
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
