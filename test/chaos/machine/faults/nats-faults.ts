/** What happens to NATS: to the server, or to members of the cluster. */
import type { Heal } from './fault.ts';
import { withJetStream } from './nats.ts';
import type { Server } from './server.ts';
import type { ChaosSystem } from './system.ts';

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

async function membersOf({ infra }: ChaosSystem, stream: string): Promise<{ leader: Server; follower: Server }> {
  const { cluster } = await withJetStream(infra.natsUrl, (jsm) => jsm.streams.info(stream));
  const named = (name: string | undefined) => infra.nats.find((server) => server.name === name);
  const leader = named(cluster?.leader);
  const follower = named(cluster?.replicas?.[0]?.name);
  if (leader === undefined || follower === undefined) throw new Error(`${stream} has no leader or no other copy`);
  return { leader, follower };
}
