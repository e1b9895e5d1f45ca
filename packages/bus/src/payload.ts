/** A payload of any size: what does not fit into a message travels beside it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type MsgHdrs, headers as newHeaders } from '@nats-io/nats-core';
import { BlobExpired, type BlobRef, type Pieces } from './blob.ts';
import type { Bus } from './connection.ts';
import { PublishRejected, PublishUncertain, type StoredAck } from './publisher.ts';

const BLOB_HEADER = 'Tr-Blob';
const SIZE_HEADER = 'Tr-Blob-Bytes';
/** Room for the protocol line and the headers beside the payload. */
const RESERVED_BYTES = 16 * 1024;

/**
 * One payload on its way into a stream, published as often as it takes. What does not fit into a message is put beside the
 * stream once, and taken away again where no message of this parcel can refer to it; only a publish of which nothing was
 * heard, and that is not repeated, may leave it there until its bucket's age limit.
 */
export class Parcel {
  readonly #bus: Bus;
  readonly #subject: string;
  readonly #bytes: Uint8Array | Pieces;
  #beside: (BlobRef & { size: number }) | undefined;
  /** Whether a message that refers to what was put beside may have been stored without our hearing of it. */
  #uncertain = false;

  constructor(bus: Bus, subject: string, bytes: Uint8Array | Pieces) {
    this.#bus = bus;
    this.#subject = subject;
    this.#bytes = bytes;
  }

  /**
   * Publishes the payload as one message with these headers. What is beyond `inlineBytes` (by default what a message may
   * hold), and what comes in pieces, travels beside it. Errors are those of the publisher.
   */
  async publish(headers: MsgHdrs | undefined, inlineBytes = Number.POSITIVE_INFINITY): Promise<StoredAck> {
    const { nc, publisher } = this.#bus;
    const limit = Math.min(inlineBytes, (nc.info?.max_payload ?? 1024 * 1024) - RESERVED_BYTES);
    if (this.#bytes instanceof Uint8Array && this.#bytes.byteLength <= limit) {
      return publisher.publish(this.#subject, this.#bytes, headers);
    }
    const { blob, size } = await this.#putBeside(this.#bytes);
    const withRef = headers ?? newHeaders();
    withRef.set(BLOB_HEADER, blob);
    withRef.set(SIZE_HEADER, String(size));
    try {
      const ack = await publisher.publish(this.#subject, new Uint8Array(0), withRef);
      if (ack.duplicate) await this.#takeBack(() => this.#isUnused(ack, blob));
      return ack;
    } catch (error) {
      if (error instanceof PublishUncertain) this.#uncertain = true;
      else if (!this.#uncertain) await this.#takeBack();
      throw error;
    }
  }

  async #putBeside(bytes: Uint8Array | Pieces): Promise<BlobRef & { size: number }> {
    // Between two tries whoever took the message may have dealt with it, and JetStream may have lost everything.
    if (this.#beside && !(await this.#bus.blobs.has(this.#beside))) {
      this.#beside = undefined;
      this.#uncertain = false;
    }
    this.#beside ??= await this.#bus.blobs.put(bytes);
    return this.#beside;
  }

  /** Whether the message that is stored refers to other bytes; one that is gone has been dealt with. */
  async #isUnused({ stream, seq }: StoredAck, blob: string): Promise<boolean> {
    const message = await this.#bus.jsm.streams.getMessage(stream, { seq });
    return message?.header.get(BLOB_HEADER) !== blob;
  }

  async #takeBack(isUnused: () => Promise<boolean> = () => Promise.resolve(true)): Promise<void> {
    const left = this.#beside;
    if (!left) return;
    try {
      if (!(await isUnused())) return;
      this.#beside = undefined;
      await this.#bus.blobs.remove(left);
    } catch (error) {
      // What became of the message is known and has to be told; the bucket's age limit takes the bytes.
      this.#bus.log.error({ err: error, subject: this.#subject }, `blob ${left.blob} may be left without a message`);
    }
  }
}

/** Publishes bytes of any size once: see {@link Parcel.publish}. */
export function publishPayload(
  bus: Bus,
  subject: string,
  bytes: Uint8Array | Pieces,
  headers?: MsgHdrs,
): Promise<StoredAck> {
  return new Parcel(bus, subject, bytes).publish(headers);
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
  bytes: Uint8Array | Pieces,
  messageId: string,
  signal: AbortSignal,
): Promise<StoredAck> {
  const parcel = new Parcel(bus, subject, bytes);
  for (let wait = RETRY_MS.first; ; wait = Math.min(wait * 2, RETRY_MS.most)) {
    try {
      const headers = newHeaders();
      headers.set('Nats-Msg-Id', messageId);
      return await parcel.publish(headers);
    } catch (error) {
      if (!(error instanceof PublishRejected) && !(error instanceof PublishUncertain)) throw error;
    }
    await sleep(wait, undefined, { signal });
  }
}
