/** What the workers call, as processes: what they cost the machine costs the faults' process nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const DEMO_MODEL = fileURLToPath(new URL('../../../../packages/demo-model/src/main.ts', import.meta.url));
const MCP_SERVER = fileURLToPath(new URL('./mcp-main.ts', import.meta.url));

/** One that runs. */
export interface CalledProcess {
  /** Where it is called. */
  readonly url: string;
  /** Where it tells of its calls: `<callsUrl>/_calls`. */
  readonly callsUrl: string;
  stop(): Promise<void>;
}

/** Starts a demo model, `http://127.0.0.1:<port>`. It ends with this process. @throws Error when it ends before it listens. */
export function startDemoProcess(): Promise<CalledProcess> {
  return start('the demo model', DEMO_MODEL);
}

/** Starts an MCP server, `http://127.0.0.1:<port>/mcp`. It ends with this process. @throws Error when it ends before it listens. */
export function startMcpProcess(): Promise<CalledProcess> {
  return start('the MCP server', MCP_SERVER);
}

async function start(name: string, script: string): Promise<CalledProcess> {
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  if (child.stdout === null) throw new Error(`${name} has no output to read`);
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line'), exited.then(() => undefined)]);
  if (first === undefined) throw new Error(`${name} ended before it listened`);
  const { listening, calls } = JSON.parse(first[0] as string) as { listening: string; calls?: string };
  return {
    url: listening,
    callsUrl: calls ?? listening,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
