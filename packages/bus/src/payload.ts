/** A payload of any size: what does not fit into a message travels beside it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type MsgHdrs, headers as newHeaders } from '@nats-io/nats-core';
import { BlobExpired, type Pieces } from './blob.ts';
import type { Bus } from './connection.ts';
import { PublishRejected, PublishUncertain, type StoredAck } from './publisher.ts';

const BLOB_HEADER = 'Tr-Blob';
const SIZE_HEADER = 'Tr-Blob-Bytes';
/** Room for the protocol line and the headers beside the payload. */
const RESERVED_BYTES = 16 * 1024;

/**
 * Publishes bytes of any size as one message; those beyond `inlineBytes` (by default what a message may hold), and those that
 * come in pieces, travel beside it. Errors are those of the publisher.
 */
export async function publishPayload(
  bus: Bus,
  subject: string,
  bytes: Uint8Array | Pieces,
  headers?: MsgHdrs,
  inlineBytes = Number.POSITIVE_INFINITY,
): Promise<StoredAck> {
  const limit = Math.min(inlineBytes, (bus.nc.info?.max_payload ?? 1024 * 1024) - RESERVED_BYTES);
  if (bytes instanceof Uint8Array && bytes.byteLength <= limit) return bus.publisher.publish(subject, bytes, headers);
  const { blob, size } = await bus.blobs.put(bytes);
  const withRef = headers ?? newHeaders();
  withRef.set(BLOB_HEADER, blob);
  withRef.set(SIZE_HEADER, String(size));
  return bus.publisher.publish(subject, new Uint8Array(0), withRef);
}

/** How many bytes {@link payloadOf} comes to. */
export function payloadSize(message: { data: Uint8Array; headers?: MsgHdrs | undefined }): number {
  return message.data.byteLength + Number(message.headers?.get(SIZE_HEADER) ?? 0);
}

/**
 * The bytes of a message, wherever they are.
 * @throws BlobExpired
 */
export async function payloadOf(
  bus: Bus,
  message: { data: Uint8Array; headers?: MsgHdrs | undefined },
): Promise<Uint8Array> {
  const blob = message.headers?.get(BLOB_HEADER);
  if (!blob) return message.data;
  const bytes = await bus.blobs.get({ blob });
  if (!bytes) throw new BlobExpired(blob);
  return bytes;
}

/**
 * The same bytes piece by piece: no more of them is held than is being looked at.
 * @throws BlobExpired, also half way.
 */
export async function* payloadPieces(
  bus: Bus,
  message: { data: Uint8Array; headers?: MsgHdrs | undefined },
): AsyncGenerator<Uint8Array, void> {
  const blob = message.headers?.get(BLOB_HEADER);
  if (!blob) {
    yield message.data;
    return;
  }
  const pieces = await bus.blobs.read({ blob });
  if (!pieces) throw new BlobExpired(blob);
  yield* pieces;
}

/** Removes what travels beside a message, when there is anything: the message has been dealt with for good. */
export async function dropPayload(bus: Bus, message: { headers?: MsgHdrs | undefined }): Promise<void> {
  const blob = message.headers?.get(BLOB_HEADER);
  if (blob) await bus.blobs.remove({ blob });
}

const RETRY_MS = { first: 50, most: 2_000 };

/**
 * Publishes until JetStream has stored the message, or `signal` is aborted. `messageId` makes a repetition harmless: within
 * the stream's window the message is stored once.
 */
export async function publishUntilStored(
  bus: Bus,
  subject: string,
  bytes: Uint8Array,
  messageId: string,
  signal: AbortSignal,
): Promise<StoredAck> {
  for (let wait = RETRY_MS.first; ; wait = Math.min(wait * 2, RETRY_MS.most)) {
    try {
      const headers = newHeaders();
      headers.set('Nats-Msg-Id', messageId);
      return await publishPayload(bus, subject, bytes, headers);
    } catch (error) {
      if (!(error instanceof PublishRejected) && !(error instanceof PublishUncertain)) throw error;
    }
    await sleep(wait, undefined, { signal });
  }
}
