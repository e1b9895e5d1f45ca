/** A model-caller: it takes model steps, one queue for each registered model. */
import { connectBus, ensureStreams, type ModelWork } from '@tailrace/bus';
import { type RegistryView, Sealer, watchRegistry } from '@tailrace/registry';
import {
  addOpsRoutes,
  createMetrics,
  type Logger,
  type RunningService,
  type readEnv,
  sealingSecret,
} from '@tailrace/service';
import { WorkerPool } from '@tailrace/worker';
import Fastify from 'fastify';
import type { modelCallerEnv } from './config.ts';
import { type ModelStepContext, runModelStep } from './model-step.ts';
import { UpstreamClient, type UpstreamTarget } from './upstream.ts';

type Config = ReturnType<typeof readEnv<typeof modelCallerEnv>>;

/** Starts a model-caller with the environment's configuration. */
export async function startModelCaller(config: Config, log: Logger): Promise<RunningService> {
  const sealer = new Sealer(sealingSecret(config));
  const bus = await connectBus({ url: config.NATS_URL, name: 'model-caller', timeoutMs: config.NATS_TIMEOUT_MS });
  await ensureStreams(bus, {
    partitions: config.PARTITIONS,
    logMaxAgeMs: config.LOG_MAX_AGE_MS,
    duplicateWindowMs: config.DUPLICATE_WINDOW_MS,
  });
  const registry = await watchRegistry(bus, (error) => log.error({ err: error }, 'the registry cannot be read'));
  const upstream = new UpstreamClient({
    connectMs: config.UPSTREAM_CONNECT_MS,
    firstByteMs: config.UPSTREAM_FIRST_BYTE_MS,
    idleMs: config.UPSTREAM_IDLE_MS,
    maxBytes: config.UPSTREAM_MAX_BYTES,
    connections: config.UPSTREAM_CONNECTIONS,
  });
  const context: ModelStepContext = {
    bus,
    upstream,
    partitions: config.PARTITIONS,
    attempts: config.UPSTREAM_ATTEMPTS,
    backoffMs: config.UPSTREAM_BACKOFF_MS,
    maxBackoffMs: config.UPSTREAM_MAX_BACKOFF_MS,
    bufferLimit: config.LOG_BUFFER_CHARS,
    messageLimit: config.LOG_MESSAGE_CHARS,
  };
  const pool = new WorkerPool<ModelWork>({
    bus,
    registry,
    log,
    partitions: config.PARTITIONS,
    limit: config.WORKER_CONCURRENCY,
    ackWaitMs: config.ACK_WAIT_MS,
    maxDeliver: config.MAX_DELIVER,
    redeliverMs: config.REDELIVER_MS,
    startedAfterMs: config.STARTED_AFTER_MS,
    sources: (view) =>
      [...view.models.values()].map(({ name, concurrency }) => ({ source: { kind: 'model', name }, concurrency })),
    async run(work, { attempt, redelivered }, signal) {
      const target = targetOf(registry.current(), work.model, sealer);
      const takeover = redelivered || work.takeover;
      return { kind: 'model_call', ...(await runModelStep(context, work, target, { attempt, takeover }, signal)) };
    },
  });
  const app = Fastify();
  addOpsRoutes(app, createMetrics(), [
    {
      name: 'nats',
      async check() {
        if (!bus.connected()) throw new Error('not connected');
        await bus.nc.flush();
      },
    },
    {
      name: 'registry',
      async check() {
        if (!registry.current()) throw new Error('no registry has arrived');
        await pool.ready();
      },
    },
  ]);
  const address = await app.listen({ host: config.HOST, port: config.PORT });
  log.info({ address }, 'model-caller ready');
  return {
    async stop() {
      await pool.stop(config.DRAIN_MS);
      registry.close();
      await app.close();
      await upstream.close();
      await bus.close();
    },
  };
}

function targetOf(view: RegistryView | undefined, model: string, sealer: Sealer): UpstreamTarget | undefined {
  const upstream = view?.models.get(model)?.upstreams[0];
  if (!upstream) return undefined;
  const { baseUrl, apiKey } = upstream;
  return { baseUrl, apiKey: apiKey === null ? null : sealer.open(apiKey), model: upstream.model };
}
