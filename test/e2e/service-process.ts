/** One service as a process of the test's own, so that its end can be seen. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ServiceRole } from '@tailrace/cli';
import type { WireChecks } from '../harness/wire-checks.ts';

/** How a process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** See the file's head. */
export interface ServiceProcess {
  url: string;
  /** Resolves once the process has logged this message. */
  logged(message: string): Promise<void>;
  /** Settles once the process has ended. */
  exited: Promise<Exit>;
  signal(signal: NodeJS.Signals): void;
  /** Kills what is left of it. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a service with this environment, on a free port; resolves once it listens. `checks` judge its log. */
export async function startProcess(
  service: ServiceRole,
  checks: WireChecks,
  env: Record<string, string>,
): Promise<ServiceProcess> {
  const script = fileURLToPath(new URL(`../../services/${service}/src/main.ts`, import.meta.url));
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, LOG_LEVEL: 'info', ...env },
    // With the channel it ends when the test's process does.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const log = new ServiceLog(child, (line) => checks.logged(service, line));
  const url = await Promise.race([
    log.address,
    exited.then(({ code }) => {
      throw new Error(`${service} ended before it listened (status ${code})`);
    }),
  ]);
  return {
    url,
    logged: (message) => log.has(message),
    exited,
    signal: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The messages of a service's log, and the address that it logs once it listens. */
class ServiceLog {
  readonly address: Promise<string>;
  readonly #messages = new Set<string>();
  readonly #waiting = new Map<string, () => void>();

  constructor({ stdout }: ChildProcess, judge: (line: string) => void) {
    if (!stdout) throw new Error('the output is not piped');
    const { promise, resolve } = Promise.withResolvers<string>();
    this.address = promise;
    createInterface(stdout).on('line', (line) => {
      judge(line);
      const { address, msg } = JSON.parse(line) as { address?: string; msg: string };
      if (address) resolve(address);
      this.#messages.add(msg);
      this.#waiting.get(msg)?.();
    });
  }

  async has(message: string): Promise<void> {
    if (this.#messages.has(message)) return;
    await new Promise<void>((resolve) => {
      this.#waiting.set(message, resolve);
    });
  }
}
