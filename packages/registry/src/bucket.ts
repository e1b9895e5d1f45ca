import { type KV, Kvm } from '@nats-io/kv';
import { type Bus, replicasFor } from '@tailrace/bus';
import { type RegistrySnapshot, RegistryView } from './snapshot.ts';

const BUCKET = 'TR_REGISTRY';
const KEY = 'snapshot';

async function openBucket(bus: Bus): Promise<KV> {
  return new Kvm(bus.js).create(BUCKET, { history: 1, replicas: replicasFor(bus), max_bytes: -1 });
}

/** Publishes a snapshot to every service, unless it is what they have already. */
export async function publishRegistry(bus: Bus, snapshot: RegistrySnapshot): Promise<void> {
  const bucket = await openBucket(bus);
  const text = JSON.stringify(snapshot);
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

/** Follows the registry. `onError` hears of a snapshot that cannot be read; the one before it stays in force. */
export async function watchRegistry(bus: Bus, onError: (error: unknown) => void): Promise<RegistryWatch> {
  const bucket = await openBucket(bus);
  const updates = await bucket.watch({ key: KEY });
  const callbacks = new Set<(view: RegistryView) => void>();
  let view: RegistryView | undefined;
  const following = async () => {
    for await (const entry of updates) {
      if (entry.operation !== 'PUT') continue;
      view = new RegistryView(entry.json<RegistrySnapshot>());
      for (const callback of callbacks) callback(view);
    }
  };
  following().catch(onError);
  return {
    current: () => view,
    onChange(callback) {
      callbacks.add(callback);
      if (view) callback(view);
    },
    close: () => updates.stop(),
  };
}
