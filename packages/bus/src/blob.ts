import { randomUUID } from 'node:crypto';
import type { JetStreamClient } from '@nats-io/jetstream';
import { type ObjectStore, Objm } from '@nats-io/obj';

const BUCKET = 'tailrace';

/** A reference to bytes that did not fit into a message. */
export interface BlobRef {
  blob: string;
}

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

  /** Stores bytes under a new name. */
  async put(bytes: Uint8Array): Promise<BlobRef> {
    const name = randomUUID();
    await (await this.#open()).putBlob({ name }, bytes);
    return { blob: name };
  }

  /** The bytes of a reference; undefined once they have expired. */
  async get(ref: BlobRef): Promise<Uint8Array | undefined> {
    return (await (await this.#open()).getBlob(ref.blob)) ?? undefined;
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
