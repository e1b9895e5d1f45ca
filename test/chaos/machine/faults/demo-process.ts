/** The demo model as a process of its own, so that what it does costs the faults' process nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../../../packages/demo-model/src/main.ts', import.meta.url));

/** A demo model that runs. */
export interface DemoProcess {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts one on a free port. It ends with this process. @throws Error when it ends before it listens. */
export async function startDemoProcess(): Promise<DemoProcess> {
  const child = spawn(process.execPath, [SCRIPT], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  if (child.stdout === null) throw new Error('the demo model has no output to read');
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line'), exited.then(() => undefined)]);
  if (first === undefined) throw new Error('the demo model ended before it listened');
  const { listening } = JSON.parse(first[0] as string) as { listening: string };
  return {
    url: listening,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
