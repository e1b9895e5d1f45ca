/** A pool of workers on a NATS of its own, with a registry and orchestrators that do as they are told. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Bus,
  connectBus,
  decodeMessage,
  encodeMessage,
  ensureStreams,
  STEP_SUBJECT,
  type StepAnswer,
  type StepQuestion,
  subscribe,
  type ToolWork,
  type WorkSource,
  workSubject,
} from '@tailrace/bus';
import { startNats } from '@tailrace/infra';
import { newId } from '@tailrace/protocol';
import type { RegistryView } from '@tailrace/registry';
import { pino } from 'pino';
import type { Delivery, LimitedSource, StepReport } from '../src/index.ts';
import { WorkerPool } from '../src/worker-pool.ts';

/** What a pool does with its steps. */
export type Run = (work: ToolWork, delivery: Delivery, signal: AbortSignal) => Promise<StepReport | null>;

/** What a step comes to that nothing is said of. */
export const DONE: StepReport = { kind: 'tool_call', outcome: { result: { output: '' } }, calls: [] };

/** A registry that is what it was last told to be. */
export class TestRegistry {
  sources: LimitedSource[];
  readonly #callbacks: ((view: RegistryView) => void)[] = [];

  constructor(...sources: LimitedSource[]) {
    this.sources = sources;
  }

  change(...sources: LimitedSource[]): void {
    this.sources = sources;
    for (const callback of this.#callbacks) callback({} as RegistryView);
  }

  onChange(callback: (view: RegistryView) => void): void {
    this.#callbacks.push(callback);
    callback({} as RegistryView);
  }
}

/** See the file's head. */
export interface PoolBench {
  bus: Bus;
  /** A connection as another process has one. It is closed with the bench. */
  connect(name: string): Promise<Bus>;
  /** A pool. */
  pool(registry: TestRegistry, run: Run, bus?: Bus): Promise<WorkerPool<ToolWork>>;
  /** Answers questions about steps until it is called back. */
  orchestrate(answer: (question: StepQuestion) => StepAnswer): () => void;
  /** Ends all pools, and what is under way in them. */
  stopPools(): Promise<void>;
  stop(): Promise<void>;
}

let named = 0;
/** A source of work that nobody has heard of. */
export function newSource(): WorkSource {
  named += 1;
  return { kind: 'tool', name: `tool ${named}` };
}

/** Publishes a step. */
export async function publishStep(
  bus: Bus,
  source: WorkSource,
  responseId = newId(Date.now()),
  change: Partial<Pick<ToolWork, 'attempt' | 'handedOutAt' | 'takeover'>> = {},
): Promise<ToolWork> {
  const work: ToolWork = {
    kind: 'tool_call',
    responseId,
    stepId: newId(Date.now()),
    attempt: 1,
    handedOutAt: Date.now(),
    tool: source.name,
    arguments: '{}',
    parameters: null,
    mcp: null,
    takeover: false,
    correlationId: '0'.repeat(32),
    ...change,
  };
  await bus.publisher.publish(workSubject(source, 'default'), encodeMessage(work));
  return work;
}

/** Starts one. */
export async function startPoolBench(): Promise<PoolBench> {
  const dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  const nats = await startNats({ dir, log: () => undefined });
  const buses: Bus[] = [];
  const connect = async (name: string) => {
    const bus = await connectBus({ url: nats.url, name });
    buses.push(bus);
    return bus;
  };
  const bus = await connect('test');
  await ensureStreams(bus, { partitions: 1, logMaxAgeMs: 60_000, duplicateWindowMs: 60_000 });
  const pools = new Set<WorkerPool<ToolWork>>();
  const stopPools = async () => {
    await Promise.all([...pools].map((pool) => pool.stop(0)));
    pools.clear();
  };
  return {
    bus,
    connect,
    async pool(registry, run, on = bus) {
      const pool = new WorkerPool<ToolWork>({
        bus: on,
        registry,
        log: pino({ level: 'silent' }),
        partitions: 1,
        limit: 100,
        ackWaitMs: 1_000,
        maxDeliver: 10,
        redeliverMs: 50,
        redeliverMaxMs: 200,
        startedAfterMs: 60_000,
        heartbeatMs: 60_000,
        kinds: ['tool'],
        sources: () => registry.sources,
        run: (work, delivery, signal) => Promise.race([run(work, delivery, signal), aborted(signal)]),
      });
      pools.add(pool);
      await pool.ready();
      return pool;
    },
    orchestrate(answer) {
      const subscription = subscribe(bus, STEP_SUBJECT, (message) => {
        message.respond(encodeMessage(answer(decodeMessage<StepQuestion>(message.subject, message.data))));
      });
      return () => subscription.unsubscribe();
    },
    stopPools,
    async stop() {
      await stopPools();
      for (const each of buses) if (!each.nc.isClosed()) await each.close();
      await nats.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}
