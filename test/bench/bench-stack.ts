/** What is measured: a stack of real processes as `npm start` makes it, on throw-away data, and a demo model beside it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connectBus } from '@tailrace/bus';
import { type Replicas, type Stack, startStack } from '@tailrace/cli';
import { removePostgres } from '@tailrace/infra';
import pg from 'pg';
import { SERVICES } from '../../packages/cli/src/role.ts';
import type { MeasuredProcess } from './cpu-time.ts';
import type { Setting } from './results.ts';

/** A running stack. */
export interface BenchStack {
  gatewayUrls: readonly string[];
  apiKey: string;
  demoModelUrl: string;
  /** The tools as a chat-completions request offers them. */
  tools: readonly object[];
  setting: Setting;
  processes(): MeasuredProcess[];
  /** Stops everything and removes the data. */
  stop(): Promise<void>;
}

/** What the command line and the environment say about it. */
export interface BenchStackOptions {
  replicas: Replicas;
  natsUrl: string | undefined;
  databaseUrl: string | undefined;
  profileDir: string | undefined;
  log(line: string): void;
  signal: AbortSignal;
}

/** More than any load here has under way, so that a registered limit is not what is measured. */
const CONCURRENCY = 1_024;
const TOOLS = ['get_weather', 'get_time'];
const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const DEMO_MODEL = fileURLToPath(new URL('../../packages/demo-model/src/main.ts', import.meta.url));

/** Starts the stack; nothing is left behind when that fails. */
export async function startBenchStack(options: BenchStackOptions): Promise<BenchStack> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tailrace-bench-'));
  const stops: (() => Promise<void>)[] = [
    async () => {
      await removePostgres(join(dataDir, 'postgres'), options.log);
      await rm(dataDir, { recursive: true, force: true });
    },
  ];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  const loadBefore = (loadavg()[0] ?? 0).toFixed(1);
  try {
    const demoModel = await startDemoModel();
    stops.push(demoModel.stop);
    const stack = await startStack({
      dataDir,
      replicas: options.replicas,
      natsUrl: options.natsUrl,
      databaseUrl: options.databaseUrl,
      demoModel: false,
      config: registered(demoModel.url),
      env: { LOG_LEVEL: 'warn', ...profiled(options.profileDir) },
      restart: false,
      log: options.log,
      signal: options.signal,
    });
    stops.push(() => stack.stop());
    return {
      gatewayUrls: stack.gateways,
      apiKey: stack.apiKey,
      demoModelUrl: demoModel.url,
      tools: TOOLS.map((name) => ({ type: 'function', function: { name, parameters: PARAMETERS } })),
      setting: await settingOf(stack, options.replicas, loadBefore),
      processes: () => [
        ...stack.processes().map(({ role, pid }) => ({ name: role, pid })),
        { name: 'demo-model', pid: demoModel.pid },
        { name: 'client', pid: process.pid },
      ],
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface DemoModelProcess {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** A process of its own, as a model is; it ends with this one. */
async function startDemoModel(): Promise<DemoModelProcess> {
  const child = spawn(process.execPath, [DEMO_MODEL], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  if (!child.stdout || child.pid === undefined) throw new Error('the demo model did not start');
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([once(lines, 'line'), exited.then(() => [])]);
  if (typeof line[0] !== 'string') throw new Error('the demo model ended before it listened');
  const { listening } = JSON.parse(line[0]) as { listening: string };
  return {
    url: listening,
    pid: child.pid,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function registered(demoModelUrl: string) {
  const upstream = { base_url: `${demoModelUrl}/v1`, api_key: 'demo', model: 'demo' };
  return {
    models: [{ name: 'demo', groups: ['everyone'], concurrency: CONCURRENCY, upstreams: [upstream] }],
    tools: TOOLS.map((name) => ({
      name,
      kind: 'http',
      groups: ['everyone'],
      parameters: PARAMETERS,
      url: `${demoModelUrl}/tools/${name}`,
      timeout_ms: 30_000,
      concurrency: CONCURRENCY,
      idempotent: true,
    })),
  };
}

function profiled(dir: string | undefined): Record<string, string> {
  return dir === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${dir}` };
}

async function settingOf(stack: Stack, replicas: Replicas, loadBefore: string): Promise<Setting> {
  const processors = cpus();
  const model = processors[0]?.model.trim() || process.arch;
  const bus = await connectBus({ url: stack.natsUrl, name: 'bench' });
  const nats = bus.nc.info?.version ?? 'of unknown version';
  await bus.close();
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ version: string; durability: string }>(
    `SELECT current_setting('server_version') AS version,
      'fsync ' || current_setting('fsync') || ', synchronous_commit ' || current_setting('synchronous_commit') AS durability`,
  );
  await client.end();
  const [postgres] = rows;
  return {
    machine: `${processors.length} cores (${model}), ${process.platform} ${release()}, load ${loadBefore} before the start; all on this machine`,
    versions: `node ${process.versions.node} · nats-server ${nats} · postgres ${postgres?.version} (${postgres?.durability})`,
    stack: SERVICES.map(({ role, count }) => `${replicas[count]} × ${role}`).join(' · '),
  };
}
