import { setTimeout as sleep } from 'node:timers/promises';
import { type KV, type KvEntry, Kvm } from '@nats-io/kv';
import { type Bus, contested, replicasFor } from '@tailrace/bus';
import { type RegistrySnapshot, RegistryView } from './snapshot.ts';

const BUCKET = 'TR_REGISTRY';
const KEY = 'snapshot';

async function openBucket(bus: Bus): Promise<KV> {
  const options = { history: 1, replicas: replicasFor(bus), max_bytes: -1 };
  return new Kvm(bus.js).create(BUCKET, options);
}

/** Publishes a snapshot to every service, unless it is what they have already. */
export async function publishRegistry(bus: Bus, snapshot: RegistrySnapshot): Promise<void> {
  const text = JSON.stringify(snapshot);
  const bucket = await openBucket(bus);
  const current = await bucket.get(KEY);
  if (current?.string() !== text) await bucket.put(KEY, text);
}

/** The registry as it is at every moment. */
export interface RegistryWatch {
  /** Undefined until the first snapshot has arrived. */
  current(): RegistryView | undefined;
  /** Calls back with each snapshot, beginning with the one that is there. */
  onChange(callback: (view: RegistryView) => void): void;
  close(): void;
}

/**
 * Follows the registry, also over a server that loses it and is told again. `onError` hears of a snapshot that cannot be
 * read, and of a watch that broke; the snapshot before stays in force.
 */
export async function watchRegistry(bus: Bus, onError: (error: unknown) => void): Promise<RegistryWatch> {
  const callbacks = new Set<(view: RegistryView) => void>();
  let view: RegistryView | undefined;
  let closed = false;
  let current: { stop(): void } | undefined;
  const see = (entry: KvEntry) => {
    if (entry.operation !== 'PUT') return;
    try {
      view = new RegistryView(entry.json<RegistrySnapshot>());
    } catch (error) {
      onError(error);
      return;
    }
    for (const callback of callbacks) callback(view);
  };
  const open = async () => {
    const updates = await (await openBucket(bus)).watch({ key: KEY });
    current?.stop();
    current = updates;
    follow(updates, see).catch(onError);
  };
  await contested(open);
  // A server that was away may have lost the bucket, and a watch does not come back by itself then.
  const stopListening = bus.onReconnect(() => {
    reopen(open, () => closed, onError).catch(onError);
  });
  return {
    current: () => view,
    onChange(callback) {
      callbacks.add(callback);
      if (view) callback(view);
    },
    close() {
      closed = true;
      stopListening();
      current?.stop();
    },
  };
}

const REOPEN_MS = 500;

async function follow(updates: AsyncIterable<KvEntry>, see: (entry: KvEntry) => void): Promise<void> {
  for await (const entry of updates) see(entry);
}

async function reopen(open: () => Promise<void>, closed: () => boolean, onError: (error: unknown) => void) {
  while (!closed()) {
    try {
      await contested(open);
      return;
    } catch (error) {
      onError(error);
      await sleep(REOPEN_MS);
    }
  }
}
