/** A gateway: it takes requests, follows logs, and keeps nothing. */
import { checkAccepting, joinBus, LEAST_WAIT_MS, OrchestratorClient } from '@tailrace/bus';
import { connectDatabase, pingDatabase } from '@tailrace/database';
import { GuardedFetch } from '@tailrace/guarded-fetch';
import { TailHub } from '@tailrace/log';
import { Sealer, watchRegistry } from '@tailrace/registry';
import {
  addOpsRoutes,
  createMetrics,
  type Logger,
  natsCheck,
  type RunningService,
  type readEnv,
  sealingSecret,
} from '@tailrace/service';
import { Gauge } from 'prom-client';
import { Abandonment } from './abandonment.ts';
import { createApp } from './app.ts';
import type { gatewayEnv } from './config.ts';
import type { GatewayContext } from './context.ts';
import { RelayInbox } from './relay/relay-inbox.ts';
import { RequestLimits } from './request-limits.ts';
import { OpenStreams } from './streams.ts';

type Config = ReturnType<typeof readEnv<typeof gatewayEnv>>;

/** Milliseconds that clients have, after the drain, to be told that nothing has come of their requests. */
const LAST_ANSWERS_MS = LEAST_WAIT_MS + 500;
/** Milliseconds that a gateway that stops has at least, however long its streams took, to say which requests are withdrawn. */
const LAST_WORDS_MS = 1_000;

/** Starts a gateway with the environment's configuration. */
export async function startGateway(config: Config, log: Logger): Promise<RunningService> {
  const database = connectDatabase({
    url: config.DATABASE_URL,
    name: 'tailrace-gateway',
    connections: config.DATABASE_CONNECTIONS,
    timeoutMs: config.DATABASE_TIMEOUT_MS,
    prepare: config.DATABASE_PREPARE === 'true',
    onError: (error) => log.warn({ err: error }, 'a database connection broke'),
  });
  const bus = await joinBus(config, 'gateway', log);
  const registry = await watchRegistry(bus, (error) => log.error({ err: error }, 'the registry cannot be read'));
  const tails = new TailHub({
    bus,
    partitions: config.PARTITIONS,
    queueBytes: config.TAIL_QUEUE_BYTES,
    idleMs: config.KEEP_ALIVE_MS,
    onError: (error, id) => log.warn({ err: error, response_id: id }, 'a log could not be read; it is tried again'),
  });
  const orchestrator = new OrchestratorClient({
    bus,
    partitions: config.PARTITIONS,
    timeoutMs: config.ACCEPT_TIMEOUT_MS,
  });
  const streams = new OpenStreams();
  const abandonment = new Abandonment({
    bus,
    orchestrator,
    streams,
    policy: config.DISCONNECT_CANCEL,
    graceMs: config.DISCONNECT_GRACE_MS,
    maxWaiting: config.MAX_OPEN_REQUESTS,
    log,
  });
  const context: GatewayContext = {
    bus,
    database,
    registry,
    tails,
    orchestrator,
    sealer: new Sealer(sealingSecret(config)),
    files: new GuardedFetch({
      allow: config.FETCH_ALLOW,
      connectMs: config.FETCH_CONNECT_MS,
      totalMs: config.FETCH_TOTAL_MS,
      maxBytes: config.FETCH_MAX_BYTES,
      maxRedirects: 3,
    }),
    limits: new RequestLimits({ registry, requestsPerMinute: config.KEY_REQUESTS_PER_MINUTE }),
    streams,
    abandonment,
    relays: new RelayInbox(bus, {
      windowBytes: config.RELAY_WINDOW_BYTES,
      queueMs: config.RELAY_QUEUE_MS,
      aliveMs: config.RELAY_ALIVE_MS,
      silenceMs: config.RELAY_SILENCE_MS,
      attempts: config.RELAY_ATTEMPTS,
    }),
    log,
    maxIterations: config.MAX_ITERATIONS,
    maxDepth: config.MAX_DEPTH,
    keepAliveMs: config.KEEP_ALIVE_MS,
  };
  const app = createApp(context, {
    bodyLimit: config.BODY_LIMIT_BYTES,
    maxOpenRequests: config.MAX_OPEN_REQUESTS,
    admin: config.ADMIN_API_KEY ? { key: config.ADMIN_API_KEY, timeoutMs: config.ACCEPT_TIMEOUT_MS } : undefined,
    webSocket: {
      maxMs: config.WS_MAX_MS,
      memoryBytes: config.WS_MEMORY_BYTES,
      bufferBytes: config.TAIL_QUEUE_BYTES,
      keepAliveMs: config.KEEP_ALIVE_MS,
    },
  });
  const metrics = createMetrics();
  new Gauge({
    name: 'tailrace_gateway_streams',
    help: 'Streams that are open',
    registers: [metrics],
    collect() {
      this.set(context.streams.size);
    },
  });
  addOpsRoutes(app, metrics, [
    {
      name: 'gateway',
      async check() {
        if (context.streams.draining) throw new Error('draining');
        if (!registry.current()) throw new Error('no registry has arrived');
      },
    },
    natsCheck(bus),
    { name: 'jetstream', check: () => checkAccepting(bus, config.PARTITIONS) },
    { name: 'postgres', check: () => pingDatabase(database) },
  ]);
  const address = await app.listen({ host: config.HOST, port: config.PORT });
  log.info({ address }, 'gateway ready');
  return {
    async stop() {
      const stopBy = performance.now() + config.DRAIN_MS;
      const drained = context.streams.drain(config.DRAIN_MS);
      const closing = app.close();
      const leave = setTimeout(() => context.orchestrator.leave(), config.DRAIN_MS);
      // What is still being sent or read then has had its time.
      const cut = setTimeout(() => app.server.closeAllConnections(), config.DRAIN_MS + LAST_ANSWERS_MS);
      // A connection that clients keep open becomes idle when its last answer is out.
      const idle = setInterval(() => app.server.closeIdleConnections(), 50);
      await drained;
      await closing;
      clearTimeout(leave);
      clearTimeout(cut);
      clearInterval(idle);
      await context.orchestrator.end(Math.max(LAST_WORDS_MS, stopBy - performance.now()));
      abandonment.close();
      tails.close();
      registry.close();
      await bus.close();
      await database.destroy();
    },
  };
}
