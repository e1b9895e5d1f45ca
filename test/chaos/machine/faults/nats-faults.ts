/** What happens to NATS: to the server, or to members of the cluster. */
import { JetStreamApiError } from '@nats-io/jetstream';
import { TimeoutError } from '@nats-io/nats-core';
import { until } from '@tailrace/infra';
import type { Heal } from './fault.ts';
import { withJetStream } from './nats.ts';
import type { Server } from './server.ts';
import type { ChaosSystem } from './system.ts';

const AGREE_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 100;

/** By their kinds. Those without a target hit all servers. */
export const NATS_FAULTS = {
  'nats-killed': ({ infra }: ChaosSystem): Promise<Heal> => kill(infra.nats),

  'nats-frozen': ({ infra }: ChaosSystem): Promise<Heal> => freeze(infra.nats),

  /** Each ends cleanly and is started again at once; of a cluster one after another. */
  'nats-restarted': async ({ infra }: ChaosSystem): Promise<Heal> => {
    for (const server of infra.nats) {
      await server.stop();
      await server.start();
    }
    return () => start(infra.nats);
  },

  /** All that it has stored is gone. */
  'nats-wiped': async ({ infra }: ChaosSystem): Promise<Heal> => {
    await Promise.all(infra.nats.map((server) => server.wipe()));
    return () => start(infra.nats);
  },

  /** The member that leads a stream. */
  'nats-leader-killed': async (system: ChaosSystem, stream: string): Promise<Heal> => {
    const { leader } = await membersOf(system, stream);
    return kill([leader]);
  },

  /** A member that has a copy of a stream and does not lead it. */
  'nats-follower-killed': async (system: ChaosSystem, stream: string): Promise<Heal> => {
    const { follower } = await membersOf(system, stream);
    return kill([follower]);
  },

  /** All members but one. */
  'nats-quorum-lost': ({ infra }: ChaosSystem): Promise<Heal> => freeze(infra.nats.slice(1)),
};

async function kill(servers: readonly Server[]): Promise<Heal> {
  await Promise.all(servers.map((server) => server.kill()));
  return () => start(servers);
}

async function freeze(servers: readonly Server[]): Promise<Heal> {
  await Promise.all(servers.map((server) => server.freeze()));
  return async () => {
    await Promise.all(servers.map((server) => server.thaw()));
  };
}

async function start(servers: readonly Server[]): Promise<void> {
  await Promise.all(servers.map((server) => server.start()));
}

/** Who leads a stream and who follows, once members agree on it. @throws Error when they do not within 30 s. */
async function membersOf({ infra }: ChaosSystem, stream: string): Promise<{ leader: Server; follower: Server }> {
  const named = (name: string | undefined) => infra.nats.find((server) => server.name === name);
  const look = async () => {
    const cluster = await clusterOf(infra.natsUrl, stream);
    const leader = named(cluster?.leader);
    const follower = named(cluster?.replicas?.[0]?.name);
    return leader === undefined || follower === undefined ? undefined : { leader, follower };
  };
  const members = await until(look, { forMs: AGREE_WITHIN_MS, everyMs: LOOK_EVERY_MS });
  if (members === undefined) throw new Error(`nobody leads ${stream}`);
  return members;
}

/** Undefined while nobody answers for the stream. */
async function clusterOf(url: string, stream: string) {
  try {
    return (await withJetStream(url, (jsm) => jsm.streams.info(stream))).cluster;
  } catch (error) {
    if (error instanceof TimeoutError || error instanceof JetStreamApiError) return undefined;
    throw error;
  }
}
