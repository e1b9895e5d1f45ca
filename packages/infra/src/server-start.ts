import { readFile } from 'node:fs/promises';
import type { ExitStatus, GuardedProcess } from './guarded-process.ts';
import { tailOf } from './log-file.ts';
import { freePort, isFree } from './port.ts';
import { until } from './until.ts';

const PORT_ATTEMPTS = 3;
const POLL_MS = 20;

/** A server that runs until it is stopped, ends by itself, or the process that started it dies. */
export interface RunningServer {
  /** Address clients connect to, credentials included. */
  readonly url: string;
  /** The server's own process. */
  readonly pid: number;
  readonly port: number;
  /** Settles once the server has ended, whoever ended it. */
  readonly exited: Promise<ExitStatus>;
  /** Stops the server and resolves once it has ended. Any number of calls. */
  stop(): Promise<void>;
}

/** Where a server should listen. */
export interface Listening {
  readonly host: string;
  /** Preferred port; any free one when left out. */
  readonly port?: number | undefined;
  /** Fail when the preferred port is taken, in place of taking the next free one. */
  readonly strictPort?: boolean | undefined;
}

/** How to start a server and to see that it is ready. */
export interface Launch<T> {
  /** Name for people. */
  readonly name: string;
  readonly listening: Listening;
  readonly logPath: string;
  readonly readyWithinMs: number;
  readonly signal?: AbortSignal | undefined;
  run(port: number): Promise<GuardedProcess>;
  /** Something once the server on that port is ready and is this very one, undefined before. */
  probe(port: number): Promise<T | undefined>;
}

/** A server that ended before it was ready, or took too long. The message ends with the tail of its log. */
export class ServerNotReady extends Error {
  constructor(name: string, reason: string, logTail: string) {
    super(`${name} ${reason}${logTail === '' ? '' : `. The end of its log:\n${logTail}`}`);
    this.name = 'ServerNotReady';
  }
}

/**
 * Starts a server and waits until it is ready. When somebody else took the port between looking and listening, another
 * port is tried, unless it has to be that one.
 *
 * @throws ServerNotReady; the signal's reason when aborted. No process is left behind.
 */
export async function launch<T>(how: Launch<T>): Promise<{ process: GuardedProcess; port: number; probed: T }> {
  for (let attempt = 1; ; attempt += 1) {
    how.signal?.throwIfAborted();
    const port = await choosePort(how.listening, how.name);
    const running = await how.run(port);
    try {
      const probed = await ready(how, running, port);
      return { process: running, port, probed };
    } catch (error) {
      await running.stop();
      const isLost = how.listening.strictPort !== true && !(await isFree(port, how.listening.host));
      if (!isLost || attempt >= PORT_ATTEMPTS) throw error;
    }
  }
}

async function choosePort({ port, host, strictPort }: Listening, name: string): Promise<number> {
  if (port === undefined || strictPort !== true) return freePort(port, host);
  if (!(await isFree(port, host))) throw new Error(`${name}: port ${port} is taken`);
  return port;
}

async function ready<T>(how: Launch<T>, running: GuardedProcess, port: number): Promise<T> {
  let ended: ExitStatus | undefined;
  const exited = running.exited.then((status) => {
    ended = status;
    return undefined;
  });
  const seen = await until(
    async () => {
      if (ended !== undefined) return { ended };
      const probed = await Promise.race([how.probe(port), exited]);
      return probed === undefined ? undefined : { probed };
    },
    { forMs: how.readyWithinMs, everyMs: POLL_MS, signal: how.signal },
  );
  if (seen !== undefined && 'probed' in seen) return seen.probed;
  const reason =
    seen === undefined
      ? `was not ready within ${how.readyWithinMs / 1000} s`
      : `ended before it was ready (${seen.ended.signal ?? `status ${seen.ended.code}`})`;
  throw new ServerNotReady(how.name, reason, await tailOf(how.logPath));
}

/** The number on the first line of a pid file, or undefined when there is no file or no number. */
export async function readPidFile(path: string): Promise<number | undefined> {
  try {
    const pid = Number.parseInt(await readFile(path, 'utf8'), 10);
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
