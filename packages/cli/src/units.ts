import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findNatsServer, freePort, type Log, startNats, startPostgres } from '@tailrace/infra';
import type { Role } from './role.ts';
import type { Running } from './running.ts';
import { startService } from './service-process.ts';
import type { Unit } from './supervisor.ts';

const PORT_ATTEMPTS = 3;

/** A server of a stack's own, and the address its clients use once it was ready for the first time. */
export interface ServerUnit extends Unit {
  address(): string;
}

/** nats-server, on the port of its first start. The binary is looked for once. */
export function natsUnit(dir: string, log: Log): ServerUnit {
  let binary: string | undefined;
  let first: { url: string; port: number } | undefined;
  return {
    role: 'nats',
    index: 0,
    address: () => addressOf(first),
    launch: async (signal) => {
      binary ??= (await findNatsServer({ log, signal })).path;
      const server = await startNats({ dir, log, binary, port: first?.port, strictPort: first !== undefined, signal });
      first ??= server;
      return server;
    },
  };
}

/** Postgres, on the port of its first start. */
export function postgresUnit(dir: string, fast: boolean, log: Log): ServerUnit {
  let first: { url: string; port: number } | undefined;
  return {
    role: 'postgres',
    index: 0,
    address: () => addressOf(first),
    launch: async (signal) => {
      const server = await startPostgres({
        dir,
        fast,
        log,
        port: first?.port,
        strictPort: first !== undefined,
        signal,
      });
      first ??= server;
      return server;
    },
  };
}

function addressOf(first: { url: string } | undefined): string {
  if (first === undefined) throw new Error('the server has not been started');
  return first.url;
}

/** What a service unit needs. */
export interface ServiceUnitOptions {
  readonly role: Role;
  readonly index: number;
  readonly script: string;
  /** Path that answers 200 once it is ready. */
  readonly readyPath: string;
  readonly env: () => NodeJS.ProcessEnv;
  readonly logDir: string;
  readonly host: string;
  /** First port to try; any by default. */
  readonly port?: number | undefined;
  /** Ports given to processes of the stack, listening or not; the unit adds its own. */
  readonly taken: Set<number>;
}

/** A process with an HTTP port, on the port of its first start. */
export function serviceUnit(options: ServiceUnitOptions): Unit {
  const { role, index, host, taken } = options;
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  let port: number | undefined;
  let isSettled = false;

  const launchOn = (chosen: number, signal: AbortSignal): Promise<Running> =>
    startService({
      name: `${role} ${index}`,
      script: options.script,
      env: { ...options.env(), HOST: host, PORT: String(chosen) },
      logPath: join(options.logDir, `${role}-${index}.log`),
      readyUrl: `http://${reachable}:${chosen}${options.readyPath}`,
      signal,
    });

  return {
    role,
    index,
    url: () => (port === undefined ? undefined : `http://${reachable}:${port}`),
    launch: async (signal) => {
      await mkdir(options.logDir, { recursive: true });
      for (let attempt = 1; ; attempt += 1) {
        if (port === undefined) {
          port = await choosePort(options, host, taken);
          taken.add(port);
        }
        try {
          const running = await launchOn(port, signal);
          isSettled = true;
          return running;
        } catch (error) {
          // Somebody else may have been quicker to listen; once clients know the port it has to stay.
          if (isSettled || signal.aborted || attempt >= PORT_ATTEMPTS || (await freePort(port, host)) === port)
            throw error;
          port = undefined;
        }
      }
    },
  };
}

// Choosing and promising a port must not be interleaved with another unit's.
let choosing: Promise<unknown> = Promise.resolve();

function choosePort(options: ServiceUnitOptions, host: string, taken: Set<number>): Promise<number> {
  const chosen = choosing.then(async () => {
    const port = await freePort(options.port, host, taken);
    taken.add(port);
    return port;
  });
  choosing = Promise.allSettled([chosen]);
  return chosen;
}
