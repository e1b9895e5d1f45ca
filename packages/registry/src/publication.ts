/** How a snapshot of any size stands in the key-value bucket: a manifest, and parts where one message is not enough. */
import { createHash, randomBytes } from 'node:crypto';
import { JetStreamApiError } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { type Bus, replicasFor } from '@tailrace/bus';
import type { RegistrySnapshot } from './snapshot.ts';

const BUCKET = 'TR_REGISTRY';
const STREAM = `KV_${BUCKET}`;
/** The key of the manifest. */
export const MANIFEST = 'manifest';
/** Room for headers and the protocol line beside a part. */
const RESERVED_BYTES = 16 * 1024;
/** What publishers that were too slow, or died, have left behind, is removed after this many milliseconds. */
const ABANDONED_MS = 10 * 60_000;
/** JetStream's codes for "wrong last sequence". */
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
const ATTEMPTS = 20;

/** A registry to be published. Of two states of one database the one with the higher version is the newer. */
export interface RegistryPublication {
  /** Of the database. */
  id: string;
  version: number;
  snapshot: RegistrySnapshot;
}

interface Manifest {
  id: string;
  version: number;
  /** SHA-256 of the snapshot's JSON. */
  digest: string;
  /** The JSON itself, or where its parts are. */
  content: { text: string } | { publication: string; parts: number };
}

/** How publications are made. */
export interface PublicationOptions {
  /** The most bytes of one message; by default what the server takes. */
  maxBytes?: number;
}

/** The bucket, made when it is not there. */
export async function openBucket(bus: Bus): Promise<KV> {
  return new Kvm(bus.js).create(BUCKET, { history: 1, replicas: replicasFor(bus), max_bytes: -1 });
}

/**
 * Publishes a snapshot to every service, unless they have it, or a newer one, already. Any number of processes may publish.
 * @returns whether it was published.
 */
export async function publishRegistry(
  bus: Bus,
  { id, version, snapshot }: RegistryPublication,
  options: PublicationOptions = {},
): Promise<boolean> {
  const bucket = await openBucket(bus);
  const text = JSON.stringify(snapshot);
  const digest = digestOf(text);
  const maxBytes = options.maxBytes ?? (bus.nc.info?.max_payload ?? 1024 * 1024) - RESERVED_BYTES;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const current = await bucket.get(MANIFEST);
    const known = current?.json<Manifest>();
    if (known && !supersedes({ id, version, digest }, known)) return false;
    const content = await putContent(bucket, text, maxBytes);
    const manifest = JSON.stringify({ id, version, digest, content } satisfies Manifest);
    if (await putManifest(bucket, manifest, current?.revision)) {
      await removeParts(bus, known ? [known.content] : []);
      if ('publication' in content) await removeAbandoned(bus);
      return true;
    }
    await removeParts(bus, [content]);
  }
  throw new Error(`the registry was changed by others ${ATTEMPTS} times while it was being published`);
}

/**
 * A snapshot that somebody has published, from its manifest; undefined when a newer one has taken its place.
 * @throws Error what is there is not a snapshot, or not whole.
 */
export async function readPublication(
  bucket: KV,
  manifest: { revision: number; json<T>(): T },
): Promise<RegistrySnapshot | undefined> {
  const { digest, content } = manifest.json<Manifest>();
  const text = 'text' in content ? content.text : await readParts(bucket, content);
  if (text !== undefined && digestOf(text) === digest) return JSON.parse(text) as RegistrySnapshot;
  // Its parts are removed as soon as there is another one.
  const now = await bucket.get(MANIFEST);
  if (now && now.revision > manifest.revision) return undefined;
  throw new Error('the published registry is not whole');
}

type Version = Pick<Manifest, 'id' | 'version' | 'digest'>;

/** The same version may differ where somebody has changed the tables by hand. */
function supersedes(one: Version, known: Version): boolean {
  if (one.id !== known.id) return true;
  return one.version > known.version || (one.version === known.version && one.digest !== known.digest);
}

async function putContent(bucket: KV, text: string, maxBytes: number): Promise<Manifest['content']> {
  // Inside the manifest the text is JSON once more.
  if (Buffer.byteLength(JSON.stringify(text)) + 512 <= maxBytes) return { text };
  const bytes = Buffer.from(text);
  const publication = `${Date.now()}-${randomBytes(9).toString('hex')}`;
  const parts = Math.ceil(bytes.byteLength / maxBytes);
  for (let part = 0; part < parts; part += 1) {
    await bucket.put(partKey(publication, part), bytes.subarray(part * maxBytes, (part + 1) * maxBytes));
  }
  return { publication, parts };
}

async function readParts(
  bucket: KV,
  { publication, parts }: { publication: string; parts: number },
): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  for (let part = 0; part < parts; part += 1) {
    const entry = await bucket.get(partKey(publication, part));
    if (entry?.operation !== 'PUT') return undefined;
    chunks.push(entry.value);
  }
  return Buffer.concat(chunks).toString();
}

/** @returns whether nobody else has put one since `revision`. */
async function putManifest(bucket: KV, manifest: string, revision: number | undefined): Promise<boolean> {
  try {
    if (revision === undefined) await bucket.create(MANIFEST, manifest);
    else await bucket.update(MANIFEST, manifest, revision);
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code)) return false;
    throw error;
  }
}

async function removeParts(bus: Bus, contents: readonly Manifest['content'][]): Promise<void> {
  for (const content of contents) {
    if ('publication' in content) await purge(bus, content.publication);
  }
}

/** Removes the parts of publishers that died before they came to publish them. */
async function removeAbandoned(bus: Bus): Promise<void> {
  const { state } = await bus.jsm.streams.info(STREAM, { subjects_filter: `$KV.${BUCKET}.part.>` });
  const publications = Object.keys(state.subjects ?? {}).map((subject) => subject.split('.')[3] ?? '');
  for (const publication of new Set(publications)) {
    if (Number.parseInt(publication, 10) < Date.now() - ABANDONED_MS) await purge(bus, publication);
  }
}

async function purge(bus: Bus, publication: string): Promise<void> {
  await bus.jsm.streams.purge(STREAM, { filter: `$KV.${BUCKET}.${partKey(publication, '*')}` });
}

function partKey(publication: string, part: number | '*'): string {
  return `part.${publication}.${part}`;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
