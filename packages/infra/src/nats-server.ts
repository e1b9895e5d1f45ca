import { randomUUID } from 'node:crypto';
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { connect, isIPv6 } from 'node:net';
import { join } from 'node:path';
import { startGuarded } from './guarded-process.ts';
import type { Log } from './log.ts';
import { openLogFile } from './log-file.ts';
import { findNatsServer } from './nats-finder.ts';
import { stopLeftover } from './process-table.ts';
import { launch, type RunningServer, readPidFile } from './server-start.ts';

const MIB = 1024 * 1024;
const STAGES = [{ signal: 'SIGTERM', waitMs: 10_000 }] as const;
const READY_WITHIN_MS = 30_000;
const PROBE_MS = 1_000;

/** How to start nats-server. */
export interface NatsOptions {
  /** Folder for its configuration, log and JetStream store; made when needed, kept when the server stops. */
  readonly dir: string;
  /** Preferred port; the next free one when it is taken. Any free one when left out. */
  readonly port?: number | undefined;
  /** Fail when `port` is taken. */
  readonly strictPort?: boolean | undefined;
  /** Address to listen on; 127.0.0.1 by default. */
  readonly host?: string | undefined;
  readonly log: Log;
  /** The binary; looked for by {@link findNatsServer} when left out. */
  readonly binary?: string | undefined;
  /** What makes it a member of a cluster. */
  readonly membership?: NatsMembership | undefined;
  /** Gives up, leaving nothing behind, when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** A server's place in a cluster. Everything in it stays as it is for as long as the server's data is kept. */
export interface NatsMembership {
  readonly clusterName: string;
  /** The server's name, which no other member has. */
  readonly name: string;
  /** Where the other members reach it, on the server's host. */
  readonly routePort: number;
  /** The route ports of all members. */
  readonly routePorts: readonly number[];
  /** `host:port` that clients are told to find it at; its own address by default. */
  readonly advertise?: string | undefined;
  /** Where it answers about its health over HTTP, on the server's host. */
  readonly monitorPort: number;
}

/**
 * Starts a nats-server with JetStream, after stopping one that still runs on the same folder, and resolves once it
 * answers.
 *
 * @throws Error when no server is found, or it does not become ready within 30 s.
 */
export async function startNats(options: NatsOptions): Promise<RunningServer> {
  const { host = '127.0.0.1', log, signal } = options;
  await mkdir(options.dir, { recursive: true });
  const dir = await realpath(options.dir);
  const binary = options.binary ?? (await findNatsServer({ log, signal })).path;
  const config = join(dir, 'nats.conf');
  const pidFile = join(dir, 'nats.pid');
  const leftover = await readPidFile(pidFile);
  if (leftover !== undefined && (await stopLeftover(leftover, config, STAGES))) {
    log(`nats-server: stopped process ${leftover} of an earlier run`);
  }

  const output = await openLogFile(join(dir, 'nats.log'));
  const name = options.membership?.name ?? `tailrace-${randomUUID()}`;
  try {
    const started = await launch({
      name: 'nats-server',
      listening: { host, port: options.port, strictPort: options.strictPort },
      logPath: output.path,
      readyWithinMs: READY_WITHIN_MS,
      signal,
      run: async (port) => {
        const { membership } = options;
        await writeFile(config, natsConfig({ host, port, name, storeDir: storeOf(dir), pidFile, membership }));
        const env = { PATH: process.env.PATH, HOME: dir };
        const args = ['--config', config];
        return startGuarded({ file: binary, args, cwd: dir, env, outputFd: output.fd, stages: STAGES });
      },
      probe: (port) => probe(host, port, name),
    });
    return {
      url: `nats://${host}:${started.port}`,
      pid: started.process.pid,
      port: started.port,
      exited: started.process.exited,
      stop: async () => {
        await started.process.stop();
      },
    };
  } finally {
    output.close();
  }
}

/** The folder of the JetStream store of a server that {@link startNats} runs on `dir`. */
export function storeOf(dir: string): string {
  return join(dir, 'store');
}

interface NatsSettings {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly storeDir: string;
  readonly pidFile: string;
  readonly membership?: NatsMembership | undefined;
}

/** The server's configuration file. Strings are quoted as JSON, which the format reads. */
export function natsConfig({ host, port, name, storeDir, pidFile, membership }: NatsSettings): string {
  return [
    `host: ${JSON.stringify(host)}`,
    `port: ${port}`,
    `server_name: ${JSON.stringify(name)}`,
    `pid_file: ${JSON.stringify(pidFile)}`,
    `max_payload: ${8 * MIB}`,
    `max_pending: ${64 * MIB}`,
    `jetstream { store_dir: ${JSON.stringify(storeDir)} }`,
    ...(membership === undefined ? [] : clusterLines(host, membership)),
    '',
  ].join('\n');
}

function clusterLines(host: string, { clusterName, routePort, routePorts, advertise, monitorPort }: NatsMembership) {
  const at = isIPv6(host) ? `[${host}]` : host;
  return [
    `http: ${JSON.stringify(`${at}:${monitorPort}`)}`,
    ...(advertise === undefined ? [] : [`client_advertise: ${JSON.stringify(advertise)}`]),
    'cluster {',
    `  name: ${JSON.stringify(clusterName)}`,
    `  host: ${JSON.stringify(host)}`,
    `  port: ${routePort}`,
    `  routes: ${JSON.stringify(routePorts.map((port) => `nats://${at}:${port}`))}`,
    '}',
  ];
}

/** Reads the greeting of the server on a port; true once it is the one named. */
function probe(host: string, port: number, name: string): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let greeting = '';
    const settle = (answer: true | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(PROBE_MS, () => settle(undefined));
    socket.once('error', () => settle(undefined));
    socket.once('close', () => settle(undefined));
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      greeting += text;
      const end = greeting.indexOf('\r\n');
      if (end !== -1) settle(isGreetingOf(greeting.slice(0, end), name) ? true : undefined);
      else if (greeting.length > MIB) settle(undefined);
    });
  });
}

/** Whether a line is the `INFO {…}` of the server of that name, with JetStream on. */
export function isGreetingOf(line: string, name: string): boolean {
  if (!line.startsWith('INFO ')) return false;
  try {
    const info: unknown = JSON.parse(line.slice('INFO '.length));
    if (typeof info !== 'object' || info === null) return false;
    return 'server_name' in info && info.server_name === name && 'jetstream' in info && info.jetstream === true;
  } catch {
    return false;
  }
}
