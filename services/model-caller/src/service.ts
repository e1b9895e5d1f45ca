/** A model-caller: it takes model steps, and calls to be passed on, one queue for each registered model. */
import { type ModelWork, type RelayWork, StaleDelivery } from '@tailrace/bus';
import { Fenced } from '@tailrace/log';
import type { Logger, RunningService, readEnv } from '@tailrace/service';
import {
  type Delivery,
  isRecorded,
  type StepReport,
  startWorker,
  type Workbench,
  type WorkbenchTools,
} from '@tailrace/worker';
import type { modelCallerEnv } from './config.ts';
import { type ModelStepContext, runModelStep } from './model-step.ts';
import { RelayLines } from './relay/relay-line.ts';
import { runRelay } from './relay/relay-run.ts';
import { Router } from './routing/router.ts';
import { UpstreamBook } from './routing/upstreams.ts';
import { sealReasoning } from './sealed-reasoning.ts';
import { UpstreamClient } from './upstream.ts';

type Config = ReturnType<typeof readEnv<typeof modelCallerEnv>>;

/** Starts a model-caller with the environment's configuration. */
export function startModelCaller(config: Config, log: Logger): Promise<RunningService> {
  return startWorker<ModelWork | RelayWork>(config, log, {
    name: 'model-caller',
    kinds: ['model'],
    sources: (view) =>
      [...view.models.values()].map(({ name, concurrency }) => ({ source: { kind: 'model', name }, concurrency })),
    bench: (tools) => benchOf(config, tools),
  });
}

function benchOf(config: Config, { bus, registry, sealer }: WorkbenchTools): Workbench<ModelWork | RelayWork> {
  const upstream = new UpstreamClient({
    maxBytes: config.UPSTREAM_MAX_BYTES,
    connections: config.UPSTREAM_CONNECTIONS,
  });
  const timeouts = {
    connectMs: config.UPSTREAM_CONNECT_MS,
    firstTokenMs: config.UPSTREAM_FIRST_TOKEN_MS,
    idleMs: config.UPSTREAM_IDLE_MS,
    totalMs: config.UPSTREAM_TOTAL_MS,
  };
  const calling = {
    upstream,
    router: new Router({
      failures: config.UPSTREAM_UNWELL_AFTER,
      restMs: config.UPSTREAM_REST_MS,
      maxRestMs: config.UPSTREAM_MAX_REST_MS,
      queueMs: config.UPSTREAM_QUEUE_MS,
    }),
    attempts: config.UPSTREAM_ATTEMPTS,
    backoffMs: config.UPSTREAM_BACKOFF_MS,
    maxBackoffMs: config.UPSTREAM_MAX_BACKOFF_MS,
  };
  const lines = new RelayLines(bus, { aliveMs: config.RELAY_ALIVE_MS, silenceMs: config.RELAY_SILENCE_MS });
  const book = new UpstreamBook(sealer, timeouts);
  const upstreamsFor = (model: string) => book.of(registry(), model);

  async function step(work: ModelWork, delivery: Delivery, signal: AbortSignal): Promise<StepReport> {
    const { attempt, redelivered } = delivery;
    const context: ModelStepContext = {
      ...calling,
      announce: async (target) => {
        await delivery.hold();
        return delivery.announce(target);
      },
      bus,
      partitions: config.PARTITIONS,
      seal: (reasoning) => sealReasoning(sealer, reasoning),
      bufferLimit: config.LOG_BUFFER_CHARS,
      messageLimit: config.LOG_MESSAGE_CHARS,
      isRecorded: (asked, until) => isRecorded(bus, asked, until),
    };
    const takeover = redelivered || work.takeover;
    try {
      const outcome = await runModelStep(context, work, upstreamsFor(work.model), { attempt, takeover }, signal);
      return { kind: 'model_call', ...outcome };
    } catch (error) {
      if (error instanceof Fenced) throw new StaleDelivery(work.stepId, error);
      throw error;
    }
  }

  async function relay(work: RelayWork, delivery: Delivery, signal: AbortSignal): Promise<StepReport | null> {
    const { model, endpoint, owner, keyName, groups, leased } = work;
    const line = await lines.open(work.replyTo);
    if (line === null) return null;
    try {
      const policy = { ...calling, announce: delivery.announce };
      const outcome = await runRelay(policy, work, upstreamsFor(model), line, signal);
      return { kind: 'relay', endpoint, owner, keyName, groups, leased, ...outcome };
    } finally {
      line.close();
    }
  }

  return {
    run: (work, delivery, signal) =>
      work.kind === 'relay' ? relay(work, delivery, signal) : step(work, delivery, signal),
    close: () => upstream.close(),
  };
}
