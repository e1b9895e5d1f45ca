/** A worker as a process: the bus, the registry, a pool of queues, health and drain. */
import { type Bus, joinBus, type Work, type WorkSource } from '@tailrace/bus';
import { type RegistryView, Sealer, watchRegistry } from '@tailrace/registry';
import {
  addOpsRoutes,
  createMetrics,
  type Logger,
  natsCheck,
  type RunningService,
  type readEnv,
  sealingSecret,
} from '@tailrace/service';
import Fastify from 'fastify';
import { Gauge } from 'prom-client';
import type { workerEnv } from './config.ts';
import type { LimitedSource } from './left-queues.ts';
import type { Delivery, StepReport } from './step-runner.ts';
import { WorkerPool } from './worker-pool.ts';

type Config = ReturnType<typeof readEnv<typeof workerEnv>>;

/** What a kind of worker does with its steps. */
export interface Workbench<W extends Work> {
  /** As {@link WorkerPool} has it done. */
  run(work: W, delivery: Delivery, signal: AbortSignal): Promise<StepReport | null>;
  close(): Promise<void>;
}

/** What a kind of worker has to work with. */
export interface WorkbenchTools {
  bus: Bus;
  /** The registry at this moment. */
  registry(): RegistryView | undefined;
  sealer: Sealer;
}

/** A kind of worker. */
export interface WorkerKind<W extends Work> {
  name: string;
  /** As {@link WorkerPool} takes them. */
  kinds: readonly WorkSource['kind'][];
  sources(view: RegistryView): LimitedSource[];
  bench(tools: WorkbenchTools): Workbench<W>;
}

/** Starts a worker of a kind with the environment's configuration. */
export async function startWorker<W extends Work>(
  config: Config,
  log: Logger,
  kind: WorkerKind<W>,
): Promise<RunningService> {
  const sealer = new Sealer(sealingSecret(config));
  const bus = await joinBus(config, kind.name, log);
  const registry = await watchRegistry(bus, (error) => log.error({ err: error }, 'the registry cannot be read'));
  const bench = kind.bench({ bus, registry: registry.current, sealer });
  const pool = new WorkerPool<W>({
    bus,
    registry,
    log,
    partitions: config.PARTITIONS,
    limit: config.WORKER_CONCURRENCY,
    ackWaitMs: config.ACK_WAIT_MS,
    maxDeliver: config.MAX_DELIVER,
    redeliverMs: config.REDELIVER_MS,
    redeliverMaxMs: config.REDELIVER_MAX_MS,
    startedAfterMs: config.STARTED_AFTER_MS,
    heartbeatMs: config.HEARTBEAT_MS,
    kinds: kind.kinds,
    sources: kind.sources,
    run: bench.run,
  });
  const metrics = createMetrics();
  new Gauge({
    name: 'tailrace_worker_steps_active',
    help: 'Steps under way in this process',
    registers: [metrics],
    collect() {
      this.set(pool.active);
    },
  });
  new Gauge({
    name: 'tailrace_worker_payload_bytes',
    help: 'Bytes of the large messages that are being worked on in this process',
    registers: [metrics],
    collect() {
      this.set(bus.room.held);
    },
  });
  const app = Fastify();
  addOpsRoutes(app, metrics, [
    natsCheck(bus),
    {
      name: 'registry',
      async check() {
        if (!registry.current()) throw new Error('no registry has arrived');
        await pool.ready();
      },
    },
  ]);
  const address = await app.listen({ host: config.HOST, port: config.PORT });
  log.info({ address }, `${kind.name} ready`);
  return {
    async stop() {
      await pool.stop(config.DRAIN_MS);
      registry.close();
      await app.close();
      await bench.close();
      await bus.close();
    },
  };
}
