import { join } from 'node:path';
import type { Log } from './log.ts';
import { findNatsServer } from './nats-finder.ts';
import { startNats } from './nats-server.ts';
import { freePort } from './port.ts';
import type { RunningServer } from './server-start.ts';
import { until } from './until.ts';

const HOST = '127.0.0.1';
const HEALTHY_WITHIN_MS = 30_000;
const PROBE_MS = 1_000;
const POLL_MS = 50;

/** How to start a cluster. */
export interface NatsClusterOptions {
  /** Folder with a folder for each member. */
  readonly dir: string;
  /** How many members; three by default. */
  readonly size?: number | undefined;
  /**
   * `host:port` that clients are told to find each member at, in the order of the members; their own addresses by default.
   * Clients try what they are told beside what they know.
   */
  readonly advertise?: readonly string[] | undefined;
  readonly log: Log;
  /** The binary; looked for by {@link findNatsServer} when left out. */
  readonly binary?: string | undefined;
  /** Gives up, leaving nothing behind, when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** One server of a cluster, whether it runs or not. */
export interface NatsMember {
  /** As streams name their leader: `n0`, `n1`, … */
  readonly name: string;
  /** Address clients connect to, the same for all its starts. */
  readonly url: string;
  readonly port: number;
  /** Folder of its configuration, log and store. */
  readonly dir: string;
  /** Starts it again after it has ended; resolves once it answers, which may be before it has caught up. */
  start(): Promise<RunningServer>;
  /** The start that came last; its process may have ended. */
  readonly server: RunningServer;
  /**
   * Whether it runs, knows a leader, and has caught up with everything that it knows it keeps copies of: right after a
   * start it may not have heard of its streams yet.
   */
  isHealthy(): Promise<boolean>;
}

/** Servers that share their streams. */
export interface NatsCluster {
  readonly members: readonly NatsMember[];
  /** The addresses of all members, separated by commas. */
  readonly url: string;
  /** Stops every member. Any number of calls. */
  stop(): Promise<void>;
}

/**
 * Starts a JetStream cluster on this machine and resolves once all of its members are healthy.
 *
 * @throws Error when no server is found, or it does not become healthy within 30 s. Nothing is left running.
 */
export async function startNatsCluster(options: NatsClusterOptions): Promise<NatsCluster> {
  const { size = 3, log, signal } = options;
  const binary = options.binary ?? (await findNatsServer({ log, signal })).path;
  const ports = await freePorts(size * 3);
  const portOf = (kind: 0 | 1 | 2, index: number) => ports[kind * size + index] ?? 0;
  const indexes = Array.from({ length: size }, (_, index) => index);
  const routePorts = indexes.map((index) => portOf(1, index));

  const starter = (index: number) => () =>
    startNats({
      dir: join(options.dir, nameOf(index)),
      port: portOf(0, index),
      strictPort: true,
      host: HOST,
      log,
      binary,
      signal,
      membership: {
        clusterName: 'tailrace',
        name: nameOf(index),
        routePort: portOf(1, index),
        routePorts,
        monitorPort: portOf(2, index),
        advertise: options.advertise?.[index],
      },
    });
  const started = await Promise.allSettled(indexes.map((index) => starter(index)()));
  const servers = started.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  try {
    const failed = started.find((start) => start.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const members = servers.map((server, index) =>
      member(join(options.dir, nameOf(index)), index, server, portOf(2, index), starter(index)),
    );
    await settled(members, signal);
    return {
      members,
      url: members.map(({ url }) => url).join(','),
      stop: async () => {
        await Promise.all(members.map(({ server }) => server.stop()));
      },
    };
  } catch (error) {
    await Promise.all(servers.map((server) => server.stop()));
    throw error;
  }
}

function nameOf(index: number): string {
  return `n${index}`;
}

function member(
  dir: string,
  index: number,
  first: RunningServer,
  monitorPort: number,
  launch: () => Promise<RunningServer>,
): NatsMember {
  let server = first;
  return {
    name: nameOf(index),
    url: first.url,
    port: first.port,
    dir,
    get server() {
      return server;
    },
    async start() {
      server = await launch();
      return server;
    },
    isHealthy: () => isHealthy(monitorPort),
  };
}

async function settled(members: readonly NatsMember[], signal: AbortSignal | undefined): Promise<void> {
  const areHealthy = await until(
    async () => {
      const healthy = await Promise.all(members.map((one) => one.isHealthy()));
      return healthy.every(Boolean) ? true : undefined;
    },
    { forMs: HEALTHY_WITHIN_MS, everyMs: POLL_MS, signal },
  );
  if (areHealthy === undefined)
    throw new Error(`the NATS cluster was not healthy within ${HEALTHY_WITHIN_MS / 1000} s`);
}

async function isHealthy(monitorPort: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://${HOST}:${monitorPort}/healthz`, { signal: AbortSignal.timeout(PROBE_MS) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    // It does not listen, or is too slow to be called healthy.
    return false;
  }
}

async function freePorts(count: number): Promise<number[]> {
  const taken = new Set<number>();
  while (taken.size < count) taken.add(await freePort(undefined, HOST, taken));
  return [...taken];
}
