/** What is tested: a system of real processes whose every part can be broken, as a run needs to see it. */

import type { Underway } from './fault-run.ts';
import {
  type ChaosSystem,
  chaosInfra,
  chaosSystem,
  demoRegistry,
  inflict,
  type PlannedFault,
  type Topology,
} from './faults/index.ts';
import type { WatchedProcess } from './memory-watch.ts';

/** A running system. */
export interface Subject {
  system: ChaosSystem;
  /** Base addresses, as clients use them. */
  gateways: readonly string[];
  apiKey: string;
  owner: string;
  strangerKey: string;
  /** Past all that may be broken, as are the following two. */
  databaseUrl: string;
  natsUrl: string;
  /** Who tells of the calls that were made: `<url>/_calls`. */
  callsUrls: readonly string[];
  /** What it is made of, for people. */
  description: string;
  /** The services' processes that run now. */
  processes(): readonly WatchedProcess[];
  inflict(faults: readonly PlannedFault[]): Promise<Underway>;
  stop(): Promise<void>;
}

/** How to make one. */
export interface SubjectOptions {
  cluster: boolean;
  /** Where data and logs go, and stay; a folder that is removed at the end by default. */
  dir?: string | undefined;
  log?: ((line: string) => void) | undefined;
}

/** Two of each. */
const REPLICAS = { gateway: 2, orchestrator: 2, modelCaller: 2, toolRunner: 2 };
const STRANGER_KEY = 'tr-stranger-0123456789abcdef';
const ENV = {
  // Lost work has to be found again well within the minute in which everything has to come to rest.
  SWEEP_EVERY_MS: '2000',
  SWEEP_AFTER_MS: '10000',
  HEARTBEAT_MS: '3000',
  CALL_SETTLE_MS: '1000',
  // Whoever is asked to end is gone soon, whatever still streams.
  DRAIN_MS: '1000',
};

/** The parts of the systems that {@link startSubject} makes. */
export function topologyOf({ cluster }: { cluster: boolean }): Topology {
  return { replicas: REPLICAS, isCluster: cluster };
}

/** Starts it; resolves once all of it is ready. @throws whatever keeps it from starting; nothing is left running. */
export async function startSubject(options: SubjectOptions): Promise<Subject> {
  const { log } = options;
  const infra = await chaosInfra(options);
  try {
    const system = await chaosSystem({
      infra,
      replicas: REPLICAS,
      env: ENV,
      config: (called) => ({
        ...demoRegistry(called),
        keys: [{ name: 'stranger', key: STRANGER_KEY, groups: ['everyone'] }],
      }),
      log,
    });
    const { stack } = system;
    return {
      system,
      gateways: system.gateways,
      apiKey: stack.apiKey,
      owner: 'local',
      strangerKey: STRANGER_KEY,
      databaseUrl: infra.databaseUrl,
      natsUrl: infra.natsUrl,
      callsUrls: infra.callsUrls,
      description: `two of each service, Postgres, ${infra.isCluster ? 'three nats-servers' : 'one nats-server'} ${infra.natsVersion}`,
      processes: () => stack.processes(),
      inflict: (faults) => inflict(system, faults),
      async stop() {
        await system.stop();
        await infra.stop();
      },
    };
  } catch (error) {
    await infra.stop();
    throw error;
  }
}
