/** One service as a process of the test's own, so that its end can be seen. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ServiceRole } from '@tailrace/cli';

/** How a process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** See the file's head. */
export interface ServiceProcess {
  url: string;
  /** Settles once the process has ended. */
  exited: Promise<Exit>;
  signal(signal: NodeJS.Signals): void;
  /** Kills what is left of it. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a service with this environment, on a free port; resolves once it listens. */
export async function startProcess(service: ServiceRole, env: Record<string, string>): Promise<ServiceProcess> {
  const script = fileURLToPath(new URL(`../../services/${service}/src/main.ts`, import.meta.url));
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, LOG_LEVEL: 'info', ...env },
    // With the channel it ends when the test's process does.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const url = await Promise.race([
    addressOf(child),
    exited.then(({ code }) => {
      throw new Error(`${service} ended before it listened (status ${code})`);
    }),
  ]);
  return {
    url,
    exited,
    signal: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The address in the line that a service logs once it listens; the other lines are read and dropped. */
function addressOf({ stdout }: ChildProcess): Promise<string> {
  if (!stdout) throw new Error('the output is not piped');
  return new Promise((resolve) => {
    createInterface(stdout).on('line', (line) => {
      const { address } = JSON.parse(line) as { address?: string };
      if (address) resolve(address);
    });
  });
}
