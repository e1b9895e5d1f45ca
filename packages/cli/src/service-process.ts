import { type ChildProcess, spawn } from 'node:child_process';
import { get } from 'node:http';
import { type ExitStatus, openLogFile, tailOf, until } from '@tailrace/infra';
import { describeExit, type Running } from './running.ts';

const READY_WITHIN_MS = 60_000;
const POLL_MS = 25;
const PROBE_MS = 5_000;
const DRAIN_MS = 10_000;

/**
 * What keeps the memory of a service near to what it holds: large buffers are given back to the system when they are freed,
 * and V8's nursery does not grow to 128 MiB. `deploy/entrypoint.sh` says the same.
 */
const LEAN_FLAGS = ['--max-semi-space-size=16'];
const LEAN_ENV = { MALLOC_MMAP_THRESHOLD_: '1048576' };

/** How to start a service. */
export interface ServiceCommand {
  /** Name for people. */
  readonly name: string;
  /** TypeScript file to run. */
  readonly script: string;
  readonly env: NodeJS.ProcessEnv;
  /** File its output is appended to. */
  readonly logPath: string;
  /** Address that answers 200 once it is ready. */
  readonly readyUrl: string;
  readonly signal?: AbortSignal | undefined;
}

/** A service that ended before it was ready, or took too long. The message ends with the tail of its log. */
export class ServiceNotReady extends Error {
  constructor(name: string, reason: string, logPath: string, logTail: string) {
    super(`${name} ${reason}.${logTail === '' ? '' : ` The end of ${logPath}:\n${logTail}`}`);
    this.name = 'ServiceNotReady';
  }
}

/**
 * Starts a service as a child in a process group of its own, which a terminal's Ctrl-C does not reach, with an IPC channel
 * that tells it when this process has died; and waits until it is ready.
 *
 * @throws ServiceNotReady after 60 s at most; the signal's reason when aborted. No process is left behind.
 */
export async function startService(command: ServiceCommand): Promise<Running> {
  command.signal?.throwIfAborted();
  const output = await openLogFile(command.logPath);
  const child = spawn(process.execPath, [...LEAN_FLAGS, command.script], {
    detached: true,
    env: { ...LEAN_ENV, ...command.env },
    stdio: ['ignore', output.fd, output.fd, 'ipc'],
  });
  output.close();
  let failed: Error | undefined;
  let ended: ExitStatus | undefined;
  child.once('error', (error) => {
    failed = error;
  });
  const exited = new Promise<ExitStatus>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = { code, signal };
      resolve(ended);
    });
  });
  try {
    const look = (): ExitStatus | Promise<true | undefined> => {
      if (failed !== undefined) throw failed;
      return ended ?? isReady(command.readyUrl);
    };
    const seen = await until<ExitStatus | true>(look, {
      forMs: READY_WITHIN_MS,
      everyMs: POLL_MS,
      signal: command.signal,
    });
    if (seen === true && child.pid !== undefined) return { pid: child.pid, exited, stop: () => stop(child, exited) };
    const reason =
      typeof seen === 'object'
        ? `ended before it was ready (${describeExit(seen)})`
        : `was not ready within ${READY_WITHIN_MS / 1000} s`;
    throw new ServiceNotReady(command.name, reason, command.logPath, await tailOf(command.logPath));
  } catch (error) {
    if (child.kill('SIGKILL') || child.pid !== undefined) await exited;
    throw error;
  }
}

async function stop(child: ChildProcess, exited: Promise<ExitStatus>): Promise<void> {
  child.kill('SIGTERM');
  // A stopped process acts on no signal but SIGKILL before it is woken.
  child.kill('SIGCONT');
  const timer = setTimeout(() => child.kill('SIGKILL'), DRAIN_MS);
  await exited;
  clearTimeout(timer);
}

function isReady(url: string): Promise<true | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: PROBE_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? true : undefined);
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(undefined));
    request.once('close', () => resolve(undefined));
  });
}
