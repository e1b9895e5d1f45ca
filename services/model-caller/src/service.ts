/** A model-caller: it takes model steps, one queue for each registered model. */
import { type ModelWork, StaleDelivery } from '@tailrace/bus';
import { Fenced } from '@tailrace/log';
import { ApiError } from '@tailrace/protocol';
import { type RegistryView, type Sealer, UnsealError } from '@tailrace/registry';
import type { Logger, RunningService, readEnv } from '@tailrace/service';
import { startWorker } from '@tailrace/worker';
import type { modelCallerEnv } from './config.ts';
import { DIALECTS } from './dialect.ts';
import { type ModelStepContext, runModelStep } from './model-step.ts';
import { sealReasoning } from './sealed-reasoning.ts';
import { UpstreamClient, type UpstreamTarget } from './upstream.ts';

type Config = ReturnType<typeof readEnv<typeof modelCallerEnv>>;

/** Starts a model-caller with the environment's configuration. */
export function startModelCaller(config: Config, log: Logger): Promise<RunningService> {
  return startWorker<ModelWork>(config, log, {
    name: 'model-caller',
    // The log tells more of a step than anybody could.
    confirm: false,
    sources: (view) =>
      [...view.models.values()].map(({ name, concurrency }) => ({ source: { kind: 'model', name }, concurrency })),
    bench({ bus, registry, sealer }) {
      const upstream = new UpstreamClient({
        connectMs: config.UPSTREAM_CONNECT_MS,
        firstByteMs: config.UPSTREAM_FIRST_BYTE_MS,
        idleMs: config.UPSTREAM_IDLE_MS,
        totalMs: config.UPSTREAM_TOTAL_MS,
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
        seal: (reasoning) => sealReasoning(sealer, reasoning),
        bufferLimit: config.LOG_BUFFER_CHARS,
        messageLimit: config.LOG_MESSAGE_CHARS,
      };
      return {
        async run(work, { attempt, redelivered }, signal) {
          const target = targetOf(registry(), work.model, sealer);
          const takeover = redelivered || work.takeover;
          try {
            return {
              kind: 'model_call',
              ...(await runModelStep(context, work, target, { attempt, takeover }, signal)),
            };
          } catch (error) {
            if (error instanceof Fenced) throw new StaleDelivery(work.stepId, error);
            throw error;
          }
        },
        close: () => upstream.close(),
      };
    },
  });
}

/** Where a model is, or why it cannot be called. */
function targetOf(view: RegistryView | undefined, model: string, sealer: Sealer): UpstreamTarget | ApiError {
  const upstream = view?.models.get(model)?.upstreams[0];
  if (!upstream) return new ApiError('model_unavailable', { model });
  const { baseUrl, apiKey, model: upstreamModel } = upstream;
  const dialect = DIALECTS[upstream.dialect];
  try {
    return { baseUrl, apiKey: apiKey === null ? null : sealer.open(apiKey), model: upstreamModel, dialect };
  } catch (error) {
    if (error instanceof UnsealError) return new ApiError('secret_unreadable', { name: model }, { cause: error });
    throw error;
  }
}
