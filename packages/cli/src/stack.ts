import { join } from 'node:path';
import { signalTo } from '@tailrace/infra';
import { stringify } from 'yaml';
import { type DataDir, emptyDataDir, openDataDir, replaceFile } from './data-dir.ts';
import { type Keys, keptKeys } from './keys.ts';
import { localConfig, mergeConfig, modelNames } from './local-config.ts';
import { type Role, SERVICES } from './role.ts';
import { type ProcessInfo, RunFile } from './run-file.ts';
import { migrateDatabase, SCRIPTS, type StackOptions } from './stack-options.ts';
import { Supervisor, type Unit } from './supervisor.ts';
import { natsUnit, postgresUnit, serviceUnit } from './units.ts';

const LOOPBACK = '127.0.0.1';
/** What Node has compiled of the services is compiled once: they start, and are started again, in half the time. */
const COMPILE_CACHE = join(import.meta.dirname, '../../../node_modules/.cache/node-compile');
// Less than a service is given before it is killed.
const SERVICE_DRAIN_MS = '8000';

/** All the processes of a Tailrace on one machine. */
export interface Stack {
  /** The data directory, absolute. */
  readonly dataDir: string;
  /** Base addresses without `/v1`, in the order of their indexes. */
  readonly gateways: readonly string[];
  readonly apiKey: string;
  readonly adminKey: string;
  readonly natsUrl: string;
  readonly databaseUrl: string;
  /** `http://host:port`, when there is one. */
  readonly demoModelUrl: string | undefined;
  /** Names of the models a client may use. */
  readonly models: readonly string[];
  /** What is up now. */
  processes(): ProcessInfo[];
  /**
   * Sends a signal, `SIGKILL` by default; resolves once the process has ended, or at once for a signal that ends none.
   * @throws Error when there is no such process.
   */
  kill(role: Role, index?: number, signal?: NodeJS.Signals): Promise<void>;
  /** Starts a process that has ended, on its old address; resolves once it is ready. */
  start(role: Role, index?: number): Promise<ProcessInfo>;
  /** Resolves once a process is up and ready. */
  ready(role: Role, index?: number): Promise<ProcessInfo>;
  /** Stops everything, the services before what they stand on. Any number of calls. */
  stop(): Promise<void>;
  /** Kills everything at once. */
  killAll(): void;
}

/**
 * Starts a whole Tailrace and resolves once all of it is ready. None of its processes outlives this one.
 *
 * @throws DataDirInUse; the signal's reason when aborted; whatever kept a part from starting. Nothing is left running.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const dataDir = await openDataDir(options.dataDir);
  const start = new StackStart(options, dataDir);
  const abort = () => void start.stop();
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    options.signal?.throwIfAborted();
    return await start.run();
  } catch (error) {
    await start.stop();
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
}

class StackStart {
  readonly #options: StackOptions;
  readonly #dataDir: DataDir;
  readonly #runFile: RunFile;
  // In the order they are stopped in: each stands on the next.
  readonly #services: Supervisor[] = [];
  readonly #models: Supervisor[] = [];
  readonly #servers: Supervisor[] = [];
  readonly #ports = new Set<number>();
  #onChange: () => void = () => undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: StackOptions, dataDir: DataDir) {
    this.#options = options;
    this.#dataDir = dataDir;
    this.#runFile = new RunFile(dataDir.path);
  }

  async run(): Promise<Stack> {
    const { log } = this.#options;
    const dir = this.#dataDir.path;
    // What a killed start left behind names processes that are gone.
    await this.#runFile.remove();
    if (this.#options.fresh === true) await emptyDataDir(dir, log);
    const kept = await keptKeys(dir);
    const keys: Keys = {
      apiKey: kept.apiKey,
      adminKey: this.#options.adminKey ?? kept.adminKey,
      secretKey: this.#options.secretKey ?? kept.secretKey,
    };
    const [natsUrl, databaseUrl, demoModelUrl] = await Promise.all([
      this.#nats(dir),
      this.#database(dir),
      this.#demoModel(dir),
    ]);
    const config = mergeConfig(localConfig({ apiKey: keys.apiKey, demoModelUrl }), this.#options.config ?? {});
    const configPath = join(dir, 'config.yaml');
    await replaceFile(configPath, stringify(config));
    const env = {
      NATS_URL: natsUrl,
      DATABASE_URL: databaseUrl,
      ADMIN_API_KEY: keys.adminKey,
      TAILRACE_SECRET_KEY: keys.secretKey,
      TAILRACE_CONFIG: configPath,
    };
    const gateways = await this.#startServices(dir, env);
    const facts = { gateways, apiKey: keys.apiKey, adminKey: keys.adminKey, natsUrl, databaseUrl };
    return this.#finish({ ...facts, demoModelUrl, models: modelNames(config) });
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #nats(dir: string): Promise<string> {
    if (this.#options.natsUrl !== undefined) return this.#options.natsUrl;
    const unit = natsUnit(join(dir, 'nats'), this.#options.log);
    await this.#start(unit, this.#servers, 'NATS', () => unit.address());
    return unit.address();
  }

  async #database(dir: string): Promise<string> {
    const { databaseUrl, fastPostgres = false, log, onProgress, migrate = migrateDatabase } = this.#options;
    let url = databaseUrl;
    if (url === undefined) {
      const unit = postgresUnit(join(dir, 'postgres'), fastPostgres, log);
      await this.#start(unit, this.#servers, 'PostgreSQL', () => `port ${new URL(unit.address()).port}`);
      url = unit.address();
    }
    onProgress?.({ name: 'migrations', state: 'starting' });
    const { applied } = await migrate(url);
    const detail = applied.length === 0 ? 'up to date' : `${applied.length} applied`;
    onProgress?.({ name: 'migrations', state: 'ready', detail });
    return url;
  }

  async #demoModel(dir: string): Promise<string | undefined> {
    if (this.#options.demoModel === false) return undefined;
    const unit = this.#serviceUnit(dir, 'demo-model', 0, '/healthz', {});
    await this.#start(unit, this.#models, 'demo model', () => unit.url?.());
    return unit.url?.();
  }

  async #startServices(dir: string, env: Record<string, string>): Promise<string[]> {
    const units = SERVICES.flatMap(({ role, count }) => {
      const replicas = this.#options.replicas?.[count] ?? 1;
      return Array.from({ length: replicas }, (_, index) => this.#serviceUnit(dir, role, index, '/readyz', env));
    });
    await Promise.all(
      units.map((unit) => this.#start(unit, this.#services, `${unit.role} ${unit.index}`, () => unit.url?.())),
    );
    return units.filter((unit) => unit.role === 'gateway').flatMap((unit) => unit.url?.() ?? []);
  }

  #serviceUnit(dir: string, role: keyof typeof SCRIPTS, index: number, readyPath: string, env: Record<string, string>) {
    const { scripts = SCRIPTS, envFor, gatewayPort, host } = this.#options;
    const isGateway = role === 'gateway';
    return serviceUnit({
      role,
      index,
      script: scripts[role],
      readyPath,
      env: () => ({
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        ...process.env,
        LOG_LEVEL: process.env.LOG_LEVEL ?? 'info',
        DRAIN_MS: process.env.DRAIN_MS ?? SERVICE_DRAIN_MS,
        ...env,
        ...this.#options.env,
        ...envFor?.(role, index),
      }),
      logDir: join(dir, 'logs'),
      host: isGateway ? (host ?? LOOPBACK) : LOOPBACK,
      port: isGateway ? gatewayPort : undefined,
      taken: this.#ports,
    });
  }

  async #start(unit: Unit, group: Supervisor[], name: string, detail: () => string | undefined): Promise<void> {
    const { log, onProgress, restart = true } = this.#options;
    if (this.#stopped !== undefined) throw new Error('the stack is stopped');
    const supervisor = new Supervisor(unit, { restart, log, onChange: () => this.#onChange() });
    group.push(supervisor);
    onProgress?.({ name, state: 'starting' });
    await supervisor.start();
    onProgress?.({ name, state: 'ready', detail: detail() });
  }

  async #finish(
    facts: Pick<Stack, 'gateways' | 'apiKey' | 'adminKey' | 'natsUrl' | 'databaseUrl' | 'demoModelUrl' | 'models'>,
  ): Promise<Stack> {
    const all = [...this.#services, ...this.#models, ...this.#servers];
    const processes = () => all.flatMap((supervisor) => infoOf(supervisor) ?? []);
    const { demoModelUrl: _, models: __, ...shown } = facts;
    const write = () => {
      const running = processes();
      return this.#runFile.write({ ready: running.length === all.length, ...shown, processes: running });
    };
    this.#onChange = () => {
      if (this.#stopped === undefined) write().catch((error) => this.#options.log(`run.json: ${error}`));
    };
    await write();
    const find = (role: Role, index = 0): Supervisor => {
      const found = all.find(({ unit }) => unit.role === role && unit.index === index);
      if (found === undefined) throw new Error(`the stack has no ${role} ${index}`);
      return found;
    };
    const info = async (supervisor: Supervisor, up: Promise<void>): Promise<ProcessInfo> => {
      await up;
      const now = infoOf(supervisor);
      if (now === undefined) throw new Error(`${supervisor.name} has ended again`);
      return now;
    };
    return {
      ...facts,
      dataDir: this.#dataDir.path,
      processes,
      kill: async (role, index, signal = 'SIGKILL') => find(role, index).kill(signal),
      start: async (role, index) => info(find(role, index), find(role, index).start()),
      ready: async (role, index) => info(find(role, index), find(role, index).ready()),
      stop: () => this.stop(),
      killAll: () => {
        for (const { pid } of processes()) signalTo(pid, 'SIGKILL');
      },
    };
  }

  async #stop(): Promise<void> {
    for (const group of [this.#services, this.#models, this.#servers]) {
      await Promise.all(group.map((supervisor) => supervisor.stop()));
    }
    await this.#runFile.remove();
    await this.#dataDir.release();
  }
}

function infoOf({ unit, pid }: Supervisor): ProcessInfo | undefined {
  if (pid === undefined) return undefined;
  const url = unit.url?.();
  return { role: unit.role, index: unit.index, pid, ...(url === undefined ? {} : { url }) };
}
