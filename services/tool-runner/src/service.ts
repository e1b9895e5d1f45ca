/** A tool-runner: it takes tool steps, one queue for each registered tool. */
import { connectBus, ensureStreams, type ToolWork } from '@tailrace/bus';
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
import type { toolRunnerEnv } from './config.ts';
import { type HttpTool, HttpToolClient } from './http-tool.ts';

type Config = ReturnType<typeof readEnv<typeof toolRunnerEnv>>;

/** Starts a tool-runner with the environment's configuration. */
export async function startToolRunner(config: Config, log: Logger): Promise<RunningService> {
  const sealer = new Sealer(sealingSecret(config));
  const bus = await connectBus({ url: config.NATS_URL, name: 'tool-runner', timeoutMs: config.NATS_TIMEOUT_MS });
  await ensureStreams(bus, {
    partitions: config.PARTITIONS,
    logMaxAgeMs: config.LOG_MAX_AGE_MS,
    duplicateWindowMs: config.DUPLICATE_WINDOW_MS,
  });
  const registry = await watchRegistry(bus, (error) => log.error({ err: error }, 'the registry cannot be read'));
  const tools = new HttpToolClient({
    connectMs: config.TOOL_CONNECT_MS,
    maxOutputBytes: config.TOOL_MAX_OUTPUT_BYTES,
    connections: config.TOOL_CONNECTIONS,
  });
  const pool = new WorkerPool<ToolWork>({
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
      [...view.tools.values()].map(({ name, concurrency }) => ({ source: { kind: 'tool', name }, concurrency })),
    async run(work, _delivery, signal) {
      const tool = toolOf(registry.current(), work.tool, sealer);
      return { kind: 'tool_call', ...(await tools.call(work, tool, signal)) };
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
  log.info({ address }, 'tool-runner ready');
  return {
    async stop() {
      await pool.stop(config.DRAIN_MS);
      registry.close();
      await app.close();
      await tools.close();
      await bus.close();
    },
  };
}

function toolOf(view: RegistryView | undefined, name: string, sealer: Sealer): HttpTool | undefined {
  const tool = view?.tools.get(name);
  if (!tool) return undefined;
  const headers = Object.fromEntries(Object.entries(tool.headers).map(([key, value]) => [key, sealer.open(value)]));
  return { url: tool.url, headers, timeoutMs: tool.timeoutMs };
}
