/** A NATS cluster without any stream, and all services of an installation at once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHAIN_STREAM, contested, joinBus, logStream, QueueConsumer } from '@tailrace/bus';
import { startNatsCluster } from '@tailrace/infra';
import { expect, onTestFinished, test } from 'vitest';
import { publishRegistry, watchRegistry } from '../src/index.ts';

const ENVIRONMENT = {
  NATS_TIMEOUT_MS: 5_000,
  PARTITIONS: 2,
  NATS_REPLICAS: 'auto' as const,
  LOG_MAX_AGE: 3_600_000,
  DUPLICATE_WINDOW_MS: 120_000,
};
const PUBLICATION = {
  id: 'database',
  version: 1,
  snapshot: { keys: [], groups: [], models: [], tools: [], webhooks: [] },
};

test('sixteen services that start at once all find what they need', { timeout: 120_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tailrace-cluster-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  const cluster = await startNatsCluster({ dir, log: () => undefined });
  onTestFinished(() => cluster.stop());
  const joined = async (role: string) => {
    const bus = await joinBus({ ...ENVIRONMENT, NATS_URL: cluster.url }, role);
    onTestFinished(() => bus.close());
    return bus;
  };
  const orchestrator = async () => {
    const bus = await joined('orchestrator');
    await contested(() => publishRegistry(bus, PUBLICATION));
    const consumer = new QueueConsumer(bus, {
      stream: CHAIN_STREAM,
      durable: 'chain-0',
      filter: 'tr.chain.0.*',
      maxAckPending: 100,
      ackWaitMs: 1_000,
      maxDeliver: -1,
      limit: 10,
      redeliverMs: 100,
      redeliverMaxMs: 1_000,
      handle: () => Promise.resolve(),
      onError: () => undefined,
    });
    await consumer.start();
    await consumer.stop(1_000);
    return bus;
  };
  const follower = async (role: string) => {
    const bus = await joined(role);
    const watch = await watchRegistry(bus, () => undefined);
    await new Promise<void>((resolve) => watch.onChange(() => resolve()));
    watch.close();
    return bus;
  };
  const roles = ['gateway', 'model-caller', 'tool-runner'];
  const [bus] = await Promise.all([
    ...Array.from({ length: 4 }, orchestrator),
    ...Array.from({ length: 4 }, () => roles.map(follower)).flat(),
  ]);
  for (const name of [CHAIN_STREAM, logStream(0), logStream(1)]) {
    expect((await bus?.jsm.streams.info(name))?.config.num_replicas).toBe(3);
  }
});
