/** The servers that a system under test stands on, each of which can be broken. */
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer, type Log, startNats, startNatsCluster, startPostgres, storeOf } from '@tailrace/infra';
import { startProxy, type TcpProxy } from '../proxy/index.ts';
import { startDemoProcess, startMcpProcess } from './called-process.ts';
import { withDatabase } from './database.ts';
import { Server } from './server.ts';

const MEMBERS = 3;

/** How to start the servers. */
export interface ChaosInfraOptions {
  /** NATS as a cluster of three, each stream in three copies; a single server otherwise. */
  readonly cluster: boolean;
  /** Where their data and logs go, and stay; a folder that is removed at the end by default. */
  readonly dir?: string | undefined;
  readonly log?: Log | undefined;
}

/** See the file's head. Its addresses lead past all proxies. */
export interface ChaosInfra {
  readonly dir: string;
  readonly isCluster: boolean;
  readonly postgres: Server;
  readonly databaseUrl: string;
  /** One, or the members of the cluster. */
  readonly nats: readonly Server[];
  /** All of their addresses, separated by commas. */
  readonly natsUrl: string;
  /** Of the servers, as they tell it: `2.14.5`. */
  readonly natsVersion: string;
  /** The demo model and its tools: `http://127.0.0.1:<port>`. */
  readonly demoModelUrl: string;
  /** An MCP server: `http://127.0.0.1:<port>/mcp`. */
  readonly mcpUrl: string;
  /** Who tells of the calls that were made: `<url>/_calls`. */
  readonly callsUrls: readonly string[];
  /** Of a cluster: whether every member has caught up with the others. */
  isNatsHealthy(): Promise<boolean>;
  /** Stops everything, and removes its folder unless it was given. */
  stop(): Promise<void>;
}

/** Starts them all. @throws whatever keeps one from starting; nothing is left running. */
export async function chaosInfra(options: ChaosInfraOptions): Promise<ChaosInfra> {
  const { cluster, log = () => undefined } = options;
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'tailrace-chaos-')));
  await mkdir(dir, { recursive: true });
  // As root, Postgres runs as another user, who has to get through.
  await chmod(dir, 0o755);
  const stack = new AsyncDisposableStack();
  stack.defer(async () => {
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  try {
    const [postgres, nats, demoModel, mcp] = await settledAll(
      startDatabase(dir, log).then((server) => stopping(stack, server)),
      startNatsServers(dir, cluster, log).then((servers) => stopping(stack, servers)),
      startDemoProcess().then((process) => stopping(stack, process)),
      startMcpProcess().then((process) => stopping(stack, process)),
    );
    return {
      dir,
      isCluster: cluster,
      postgres,
      databaseUrl: postgres.url,
      nats: nats.servers,
      natsUrl: nats.servers.map(({ url }) => url).join(','),
      natsVersion: nats.version,
      demoModelUrl: demoModel.url,
      mcpUrl: mcp.url,
      callsUrls: [demoModel.callsUrl, mcp.callsUrl],
      isNatsHealthy: nats.isHealthy,
      stop: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** All of them, or the reason of one that failed, once none is under way any more. */
async function settledAll<A, B, C, D>(
  ...parts: [Promise<A>, Promise<B>, Promise<C>, Promise<D>]
): Promise<[A, B, C, D]> {
  await Promise.allSettled(parts);
  return Promise.all(parts);
}

function stopping<T extends { stop(): Promise<void> }>(stack: AsyncDisposableStack, part: T): T {
  stack.defer(() => part.stop());
  return part;
}

async function startDatabase(dir: string, log: Log): Promise<Server> {
  const home = join(dir, 'postgres');
  const server = await Server.start({
    name: 'postgres',
    dataDir: home,
    // `fast` gives up commits which have been acknowledged when the server is killed: so only until there are any.
    launch: (before) =>
      startPostgres({
        dir: home,
        log,
        fast: before === undefined,
        port: before?.port,
        strictPort: before !== undefined,
      }),
  });
  // The machine itself does not crash, so nothing has to wait for its disk.
  await withDatabase(server.url, async (client) => {
    await client.query('ALTER SYSTEM SET fsync = off');
    await client.query('ALTER SYSTEM SET full_page_writes = off');
    // When something was recorded is told by one clock, whatever those of the services are set to.
    await client.query('ALTER SYSTEM SET track_commit_timestamp = on');
  });
  await server.stop();
  await server.start();
  return server;
}

interface NatsServers {
  readonly version: string;
  readonly servers: readonly Server[];
  isHealthy(): Promise<boolean>;
  stop(): Promise<void>;
}

async function startNatsServers(dir: string, isCluster: boolean, log: Log): Promise<NatsServers> {
  const { path: binary, version } = await findNatsServer({ log });
  const started = isCluster
    ? startMembers(join(dir, 'nats'), binary, log)
    : startSingle(join(dir, 'nats'), binary, log);
  return { version, ...(await started) };
}

async function startSingle(dir: string, binary: string, log: Log): Promise<Omit<NatsServers, 'version'>> {
  const server = await Server.start({
    name: 'nats',
    dataDir: storeOf(dir),
    launch: (before) => startNats({ dir, log, binary, port: before?.port, strictPort: before !== undefined }),
  });
  return { servers: [server], isHealthy: async () => server.pid !== undefined, stop: () => server.stop() };
}

async function startMembers(dir: string, binary: string, log: Log): Promise<Omit<NatsServers, 'version'>> {
  // Clients are told of every member's address and would use it, past their proxies: they are told of dead ends.
  const deadEnds = await Promise.all(Array.from({ length: MEMBERS }, deadEnd));
  try {
    const advertise = deadEnds.map(({ port }) => `127.0.0.1:${port}`);
    const cluster = await startNatsCluster({ dir, size: MEMBERS, advertise, log, binary });
    const servers = cluster.members.map((member) =>
      Server.of({ name: member.name, dataDir: storeOf(member.dir), launch: () => member.start() }, member.server),
    );
    return {
      servers,
      isHealthy: async () => (await Promise.all(cluster.members.map((member) => member.isHealthy()))).every(Boolean),
      async stop() {
        await Promise.all(servers.map((server) => server.stop()));
        await Promise.all(deadEnds.map((proxy) => proxy.close()));
      },
    };
  } catch (error) {
    await Promise.all(deadEnds.map((proxy) => proxy.close()));
    throw error;
  }
}

async function deadEnd(): Promise<TcpProxy> {
  const proxy = await startProxy({ to: { host: '127.0.0.1', port: 9 } });
  proxy.mode({ kind: 'refuse' });
  return proxy;
}
