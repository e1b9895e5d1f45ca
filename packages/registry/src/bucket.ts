import { setTimeout as sleep } from 'node:timers/promises';
import type { KV, KvEntry } from '@nats-io/kv';
import { type Bus, contested } from '@tailrace/bus';
import { MANIFEST, openBucket, readPublication } from './publication.ts';
import { RegistryView } from './snapshot.ts';

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
  const see = async (bucket: KV, entry: KvEntry, mine: () => boolean) => {
    if (entry.operation !== 'PUT') return;
    for (let pause = RETRY_MS.first; mine(); pause = Math.min(2 * pause, RETRY_MS.most)) {
      try {
        const snapshot = await readPublication(bucket, entry);
        if (!snapshot || !mine()) return;
        view = new RegistryView(snapshot);
        break;
      } catch (error) {
        onError(error);
      }
      await sleep(pause);
    }
    if (view) for (const callback of callbacks) callback(view);
  };
  const open = async () => {
    const bucket = await openBucket(bus);
    const updates = await bucket.watch({ key: MANIFEST });
    current?.stop();
    current = updates;
    const mine = () => !closed && current === updates;
    follow(updates, (entry) => see(bucket, entry, mine)).catch(onError);
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
/** What cannot be read is tried again, until something newer has come. */
const RETRY_MS = { first: 200, most: 10_000 };

async function follow(updates: AsyncIterable<KvEntry>, see: (entry: KvEntry) => Promise<void>): Promise<void> {
  for await (const entry of updates) await see(entry);
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
