import { JetStreamApiError, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { findNatsServer, type NatsCluster, type NatsClusterOptions, startNatsCluster, until } from '../src/index.ts';
import { temporaryDir } from './temporary-dir.ts';

const log = () => undefined;

vi.setConfig({ testTimeout: 60_000 });

beforeAll(async () => {
  await findNatsServer({ log });
}, 420_000);

async function running(options: Partial<NatsClusterOptions> = {}): Promise<NatsCluster> {
  const cluster = await startNatsCluster({ dir: await temporaryDir(), log, ...options });
  onTestFinished(() => cluster.stop());
  return cluster;
}

const healthy = (cluster: NatsCluster) =>
  until(
    async () => ((await Promise.all(cluster.members.map((one) => one.isHealthy()))).every(Boolean) ? true : undefined),
    {
      forMs: 20_000,
      everyMs: 50,
    },
  );

test('a stream of three copies outlives the member that leads it, which catches up when it is back', async () => {
  const cluster = await running();
  const nc = await connect({ servers: cluster.url.split(','), maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  onTestFinished(() => nc.close());
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: 'KEPT', subjects: ['kept'], num_replicas: 3 });
  const js = jetstream(nc);
  await js.publish('kept', 'first');

  const { cluster: before } = await jsm.streams.info('KEPT');
  const leader = cluster.members.find(({ name }) => name === before?.leader);
  if (leader === undefined) throw new Error(`no member is called ${before?.leader}`);
  process.kill(leader.server.pid, 'SIGKILL');
  await leader.server.exited;
  expect(await leader.isHealthy()).toBe(false);
  const isStored = await until(() => stored(() => js.publish('kept', 'second', { msgID: '2' })), {
    forMs: 20_000,
    everyMs: 50,
  });
  expect(isStored).toBe(true);
  expect((await jsm.streams.info('KEPT')).cluster?.leader).not.toBe(leader.name);

  const port = leader.port;
  await leader.start();
  expect(leader.server.port).toBe(port);
  expect(await healthy(cluster)).toBe(true);
  // A member that has just started may find itself healthy before it has heard of its streams.
  const caughtUp = await until(
    async () => {
      const { state, cluster: now } = await jsm.streams.info('KEPT');
      const isCurrent = now?.leader !== undefined && now.replicas?.every(({ current }) => current);
      return isCurrent ? state.messages : undefined;
    },
    { forMs: 20_000, everyMs: 50 },
  );
  expect(caughtUp).toBe(2);
});

test('clients are told the addresses that are advertised', async () => {
  const advertise = ['127.0.0.1:11', '127.0.0.1:12', '127.0.0.1:13'];
  const cluster = await running({ advertise });
  const nc = await connect({ servers: cluster.members.map(({ url }) => url) });
  onTestFinished(() => nc.close());
  expect([...(nc.info?.connect_urls ?? [])].sort()).toEqual(advertise);
});

/** True once the publish is stored; undefined while nobody leads the stream. */
async function stored(publish: () => Promise<unknown>): Promise<true | undefined> {
  try {
    await publish();
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError) throw error;
    return undefined;
  }
}
