/** A whole Tailrace of real processes for one test file, on a database and a NATS of its own. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus, logStream, logSubject } from '@tailrace/bus';
import { type LocalConfig, type Replicas, type Role, type Stack, startStack } from '@tailrace/cli';
import { type LogEnd, readEnd } from '@tailrace/log';
import OpenAI, { type ClientOptions } from 'openai';
import pg from 'pg';
import { inject } from 'vitest';
import { makeDatabase } from './database.ts';
import { stackNats } from './infra.ts';
import { uuidOf } from './public-id.ts';
import { type Secret, secretsOfAddress, secretsOfConfig, secretsOfEnvironment } from './secret-places.ts';
import { namedSpecification } from './specification.ts';
import { type Fetch, validatingFetch } from './validating-fetch.ts';
import { startValidatingProxy, type ValidatingProxy } from './validating-proxy.ts';
import { WireChecks } from './wire-checks.ts';

/** What a test file wants. */
export interface TestStackOptions {
  replicas?: Partial<Replicas>;
  env?: Record<string, string>;
  envFor?: (role: Role, index: number) => Record<string, string>;
  config?: LocalConfig;
  restart?: boolean;
}

/**
 * A stack with what tests need beside it. Everything that clients get through it is validated, and searched for secrets as
 * its logs are; `stop()` throws when something was wrong.
 */
export interface TestStack extends Stack {
  /** The official client, at one of the gateways. */
  openai(gateway?: number, options?: ClientOptions): OpenAI;
  /** A raw request to one of the gateways, with the key. */
  fetch(path: string, init?: RequestInit & { gateway?: number }): Promise<Response>;
  /** The global `fetch`, for clients that are made elsewhere: what it returns is validated. */
  validatingFetch: Fetch;
  /** A pass-through in front of a gateway, for clients in other processes: what passes is validated. */
  validatingProxy(gateway?: number): Promise<ValidatingProxy>;
  /** Judges what clients are sent by other ways, and hears of logs that a test takes away. */
  checks: WireChecks;
  /** The database, past every service. */
  database: pg.Pool;
  demoModelUrl: string;
  /** The stream sequence and metadata of the last message of a response's log. */
  logEnd(publicId: string): Promise<LogEnd | undefined>;
  /** Takes a response's log away, as its expiry does. */
  purgeLog(publicId: string): Promise<void>;
}

const SERVICES: readonly Role[] = ['gateway', 'orchestrator', 'model-caller', 'tool-runner'];

/** What makes faults show quickly: a dead worker is noticed within a second or two. */
const QUICK = { ACK_WAIT_MS: '1500', REDELIVER_MS: '100', KEEP_ALIVE_MS: '2000', LOG_LEVEL: 'info' };

/** Starts a stack; `stop()` leaves nothing behind. */
export async function testStack(options: TestStackOptions = {}): Promise<TestStack> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tailrace-stack-'));
  const databaseUrl = await makeDatabase(inject('postgresUrl'));
  const nats = await stackNats(inject('infra'));
  const stack = await startStack({
    dataDir,
    natsUrl: nats?.url,
    databaseUrl,
    replicas: options.replicas,
    env: { ...QUICK, ...options.env },
    envFor: options.envFor,
    config: options.config,
    restart: options.restart ?? false,
    log: () => undefined,
  }).catch(async (error) => {
    await nats?.stop();
    throw error;
  });
  const { demoModelUrl } = stack;
  if (demoModelUrl === undefined) throw new Error('a test stack has a demo model');
  const database = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  const checks = new WireChecks(namedSpecification(process.env));
  checks.secrets.learn(await secretsOf(stack, options));
  const validating = validatingFetch(fetch, checks);
  const gatewayUrl = (gateway: number) => {
    const url = stack.gateways[gateway];
    if (!url) throw new Error(`there is no gateway ${gateway}`);
    return url;
  };
  const withBus = async <T>(use: (bus: Bus) => Promise<T>): Promise<T> => {
    const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
    try {
      return await use(bus);
    } finally {
      await bus.close();
    }
  };
  return {
    ...stack,
    demoModelUrl,
    database,
    checks,
    validatingFetch: validating.fetch,
    validatingProxy: (gateway = 0) => startValidatingProxy(gatewayUrl(gateway), checks),
    openai(gateway = 0, options = {}) {
      const baseURL = `${gatewayUrl(gateway)}/v1`;
      return new OpenAI({ baseURL, apiKey: stack.apiKey, maxRetries: 0, fetch: validating.fetch, ...options });
    },
    fetch(path, { gateway = 0, ...init } = {}) {
      const headers = new Headers(init.headers);
      if (!headers.has('authorization')) headers.set('authorization', `Bearer ${stack.apiKey}`);
      if (init.body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
      return validating.fetch(`${gatewayUrl(gateway)}${path}`, { ...init, headers });
    },
    logEnd: (publicId) => withBus((bus) => readEnd({ bus, partition: 0, id: uuidOf(publicId) })),
    purgeLog: (publicId) =>
      withBus(async (bus) => {
        checks.allowLostLogs();
        await bus.jsm.streams.purge(logStream(0), { filter: logSubject(0, uuidOf(publicId)) });
      }),
    async stop() {
      await database.end();
      await stack.stop();
      await nats?.stop();
      await validating.settled();
      // The services have said their last, and tests have sent theirs.
      await checks.secrets.scanLogs(join(dataDir, 'logs'), checks.violations);
      await rm(dataDir, { recursive: true, force: true });
      checks.violations.throwIfAny();
    },
  };
}

/** What nobody may find in the stack's logs and answers, as far as it is known when it starts. */
async function secretsOf(stack: Stack, { config = {}, env = {}, envFor }: TestStackOptions): Promise<Secret[]> {
  const { secretKey } = JSON.parse(await readFile(join(stack.dataDir, 'keys.json'), 'utf8')) as { secretKey: string };
  const ofServices = SERVICES.map((role) => envFor?.(role, 0) ?? {});
  return [
    { name: 'the key of the stack', value: stack.apiKey },
    { name: "the operator's key", value: stack.adminKey },
    { name: 'the key that seals secrets', value: secretKey },
    ...secretsOfAddress('Postgres', stack.databaseUrl),
    ...secretsOfAddress('NATS', stack.natsUrl),
    ...[env, ...ofServices].flatMap(secretsOfEnvironment),
    ...secretsOfConfig(config, { ...process.env, ...env, ...envFor?.('orchestrator', 0) }),
  ];
}
