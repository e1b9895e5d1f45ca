import { randomUUID } from 'node:crypto';
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { type ObjectInfo, type ObjectStore, Objm } from '@nats-io/obj';

const BUCKET = 'tailrace';
/** What is held at once of a blob that is read piece by piece. */
const PIECE_BYTES = 48 * 1024;
const STREAM = `OBJ_${BUCKET}`;

/** A payload was put aside, and has expired since. */
export class BlobExpired extends Error {
  constructor(name: string) {
    super(`blob ${name} has expired`);
    this.name = 'BlobExpired';
  }
}

/** A reference to bytes that did not fit into a message. */
export interface BlobRef {
  blob: string;
}

/** Bytes that are made as they are needed, each time they are asked for. */
export type Pieces = () => Iterable<Uint8Array>;

/** What is too large for a NATS message, kept beside the streams for as long as the log is. */
export class BlobStore {
  readonly #js: JetStreamClient;
  #bucket: Promise<ObjectStore> | undefined;

  constructor(js: JetStreamClient) {
    this.#js = js;
  }

  /** Makes the bucket when it is not there. `ttlMs` is how long a blob is kept. */
  async ensure(options: { replicas: number; ttlMs: number }): Promise<void> {
    this.#bucket = new Objm(this.#js).create(BUCKET, {
      replicas: options.replicas,
      ttl: options.ttlMs * 1_000_000,
      storage: 'file',
    });
    await this.#bucket;
  }

  /** Stores bytes under a new name; `size` is how many they were. */
  async put(bytes: Uint8Array | Pieces): Promise<BlobRef & { size: number }> {
    const name = randomUUID();
    const pieces = bytes instanceof Uint8Array ? () => [bytes] : bytes;
    const bucket = await this.#open();
    const { size } = await bucket.put(
      { name, options: { max_chunk_size: PIECE_BYTES } },
      ReadableStream.from(cut(pieces())),
    );
    return { blob: name, size };
  }

  /** The bytes of a reference; undefined once they have expired. */
  async get(ref: BlobRef): Promise<Uint8Array | undefined> {
    const found = await (await this.#open()).get(ref.blob);
    if (!found) return undefined;
    const bytes = Buffer.allocUnsafeSlow(found.info.size);
    let at = 0;
    for await (const piece of found.data) {
      bytes.set(piece, at);
      at += piece.length;
    }
    const error = await found.error;
    if (error) throw error;
    return bytes;
  }

  /** The same bytes piece by piece, each of which is fetched when it is asked for; undefined when they have expired. */
  async read(ref: BlobRef): Promise<AsyncGenerator<Uint8Array, void> | undefined> {
    const info = await (await this.#open()).info(ref.blob);
    return info ? this.#pieces(ref, info) : undefined;
  }

  async *#pieces(ref: BlobRef, { nuid, size }: ObjectInfo): AsyncGenerator<Uint8Array, void> {
    const jsm = await this.#js.jetstreamManager(false);
    let seq = 0;
    for (let left = size; left > 0; ) {
      const piece = await nextPiece(jsm, nuid, seq + 1);
      if (!piece) throw new BlobExpired(ref.blob);
      seq = piece.seq;
      left -= piece.data.length;
      yield piece.data;
    }
  }

  /** Whether the bytes of a reference are there. */
  async has(ref: BlobRef): Promise<boolean> {
    const info = await (await this.#open()).info(ref.blob);
    return info !== null && !info.deleted;
  }

  /** Removes bytes that nobody will ask for again; what is gone already stays gone. */
  async remove(ref: BlobRef): Promise<void> {
    await (await this.#open()).delete(ref.blob);
  }

  async #open(): Promise<ObjectStore> {
    const opening = this.#bucket ?? new Objm(this.#js).open(BUCKET);
    this.#bucket = opening;
    try {
      return await opening;
    } catch (error) {
      this.#bucket = undefined;
      throw error;
    }
  }
}

/** The same bytes in pieces of which each fits into a message. */
function* cut(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += PIECE_BYTES) yield piece.subarray(at, at + PIECE_BYTES);
  }
}

async function nextPiece(jsm: JetStreamManager, nuid: string, seq: number) {
  const query = { seq, next_by_subj: `$O.${BUCKET}.C.${nuid}` };
  // Any copy may answer; one that has not caught up does not know it yet, and the leader does.
  const message = (await jsm.direct.getMessage(STREAM, query)) ?? (await jsm.streams.getMessage(STREAM, query));
  // As it came, it is a view of everything that came with it.
  return message && { seq: message.seq, data: new Uint8Array(message.data) };
}
