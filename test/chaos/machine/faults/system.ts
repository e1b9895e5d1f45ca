/** A whole Tailrace of which every part reaches the others only through links that can be broken. */
import { join } from 'node:path';
import { connectBus, ensureStreams } from '@tailrace/bus';
import { type LocalConfig, type Replicas, type Role, type Stack, startStack } from '@tailrace/cli';
import { type StormFront, startStormFront } from '../proxy/index.ts';
import { Clocks } from './clocks.ts';
import type { ChaosInfra } from './infra.ts';
import { addressOf, Link } from './link.ts';
import { type Called, demoRegistry } from './registry.ts';
import { linksOf, processesOf, TOOLS_LINK, type Topology, UPSTREAM_LINK } from './topology.ts';

/** What a system is made of. */
export interface ChaosSystemOptions {
  readonly infra: ChaosInfra;
  /** One of each by default. */
  readonly replicas?: Partial<Replicas> | undefined;
  /** Whether processes that end are started again at once; by default they stay down until a heal starts them. */
  readonly restart?: boolean | undefined;
  /** More environment for every service. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The registry, beside the key that the stack makes; {@link demoRegistry} by default. */
  readonly config?: ((called: Called) => LocalConfig) | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/** See the file's head. */
export interface ChaosSystem {
  readonly infra: ChaosInfra;
  readonly topology: Topology;
  /** Its addresses lead past the links; for clients there is `gateways`. */
  readonly stack: Stack;
  /** The gateways' base addresses, through the clients' links. */
  readonly gateways: readonly string[];
  readonly clocks: Clocks;
  /** @throws Error when there is none of that name. */
  link(name: string): Link;
  /** What stands before the model (`upstream`) or the tools (`tools`). @throws Error when there is none of that name. */
  front(name: string): StormFront;
  /** Stops the stack and the links; the servers go on. Any number of calls. */
  stop(): Promise<void>;
}

/** What makes faults show quickly. */
const QUICK = { ACK_WAIT_MS: '1500', REDELIVER_MS: '100', KEEP_ALIVE_MS: '2000' };

const START_ATTEMPTS = 3;

/** Starts a system; resolves once all of it is ready. @throws whatever keeps it from starting; nothing is left running. */
export async function chaosSystem(options: ChaosSystemOptions): Promise<ChaosSystem> {
  const { infra, restart = false, log = () => undefined } = options;
  const replicas = { gateway: 1, orchestrator: 1, modelCaller: 1, toolRunner: 1, ...options.replicas };
  const topology: Topology = { replicas, isCluster: infra.isCluster };
  const parts = new AsyncDisposableStack();
  try {
    const fronts = await startFronts(infra, parts);
    const links = await startLinks(topology, infra, fronts, parts);
    const clocks = new Clocks(join(infra.dir, 'clocks'));
    const link = (name: string) => found(links, name);
    const config = options.config ?? demoRegistry;
    const start = () =>
      startStack({
        dataDir: join(infra.dir, 'stack'),
        natsUrl: infra.natsUrl,
        databaseUrl: infra.databaseUrl,
        demoModel: false,
        config: config({
          upstreamUrl: `${link(UPSTREAM_LINK).url}/v1`,
          toolsUrl: `${link(TOOLS_LINK).url}/tools`,
          mcpUrl: `${link(TOOLS_LINK).url}${new URL(infra.mcpUrl).pathname}`,
        }),
        replicas,
        restart,
        env: { ...QUICK, ...options.env },
        envFor: (role, index) => ({ ...linkedEnv(role, index, links), ...clocks.envFor(`${role} ${index}`) }),
        log,
      });
    if (infra.isCluster) await makeStreams(infra.natsUrl);
    const stack = await persistently(start, log);
    parts.defer(() => stack.stop());
    const gateways: string[] = [];
    for (const [index, url] of stack.gateways.entries()) {
      const clients = await startLink(links, parts, `client > gateway ${index}`, url);
      gateways.push(clients.url);
    }
    return {
      infra,
      topology,
      stack,
      gateways,
      clocks,
      link,
      front: (name) => found(fronts, name),
      stop: () => parts.disposeAsync(),
    };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

/**
 * A cluster answers only one of those who make the same stream at once, and services that hear nothing end. Wherever they
 * run they are started again, until the streams are there.
 */
async function persistently(start: () => Promise<Stack>, log: (line: string) => void): Promise<Stack> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
      log(`the services did not start, and are started again: ${error}`);
    }
  }
}

/** Makes the streams before the services do, with what services take for granted. */
async function makeStreams(url: string): Promise<void> {
  const bus = await connectBus({ url, name: 'chaos' });
  try {
    const [logMaxAgeMs, duplicateWindowMs] = [24 * 3_600_000, 120_000];
    await ensureStreams(bus, { partitions: 1, logMaxAgeMs, duplicateWindowMs });
  } finally {
    await bus.close();
  }
}

async function startFronts(infra: ChaosInfra, parts: AsyncDisposableStack): Promise<Map<string, StormFront>> {
  const to = addressOf(infra.demoModelUrl);
  const paths = { [new URL(infra.mcpUrl).pathname]: addressOf(infra.mcpUrl) };
  const fronts = new Map<string, StormFront>();
  for (const name of ['upstream', 'tools']) {
    const front = await startStormFront({ to, paths });
    parts.defer(() => front.close());
    fronts.set(name, front);
  }
  return fronts;
}

async function startLinks(
  topology: Topology,
  infra: ChaosInfra,
  fronts: ReadonlyMap<string, StormFront>,
  parts: AsyncDisposableStack,
): Promise<Map<string, Link>> {
  const links = new Map<string, Link>();
  for (const { name, far } of linksOf(topology)) {
    switch (far) {
      case 'nats':
        await startLink(links, parts, name, ...infra.nats.map(({ url }) => url));
        break;
      case 'postgres':
        await startLink(links, parts, name, infra.databaseUrl);
        break;
      case 'upstream':
      case 'tools':
        await startLink(links, parts, name, `http://127.0.0.1:${found(fronts, far).port}`);
        break;
      case 'gateway':
        // Made when the gateways are there.
        break;
    }
  }
  return links;
}

async function startLink(
  links: Map<string, Link>,
  parts: AsyncDisposableStack,
  name: string,
  ...urls: string[]
): Promise<Link> {
  const link = await Link.to(name, ...urls);
  parts.defer(() => link.close());
  links.set(name, link);
  return link;
}

function linkedEnv(role: Role, index: number, links: ReadonlyMap<string, Link>): Record<string, string> {
  const nats = links.get(`${role} ${index} > nats`);
  const postgres = links.get(`${role} ${index} > postgres`);
  return {
    ...(nats === undefined ? {} : { NATS_URL: nats.url }),
    // A worker has no way to the database at all.
    DATABASE_URL: postgres?.url ?? '',
  };
}

function found<T>(all: ReadonlyMap<string, T>, name: string): T {
  const one = all.get(name);
  if (one === undefined) throw new Error(`there is no ${name}; there are ${[...all.keys()].join(', ')}`);
  return one;
}

/** The process of that name. @throws Error when there is none. */
export function processOf(topology: Topology, name: string) {
  const processes = new Map(processesOf(topology).map((process) => [process.name, process]));
  return found(processes, name);
}
