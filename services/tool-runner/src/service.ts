/** A tool-runner: it takes tool steps, one queue for each registered tool. */
import type { ToolWork } from '@tailrace/bus';
import { ApiError, errorInfo } from '@tailrace/protocol';
import { type RegistryView, type Sealer, UnsealError } from '@tailrace/registry';
import { crashPoint, type Logger, type RunningService, type readEnv } from '@tailrace/service';
import { startWorker } from '@tailrace/worker';
import type { toolRunnerEnv } from './config.ts';
import { type HttpTool, HttpToolClient } from './http-tool.ts';

type Config = ReturnType<typeof readEnv<typeof toolRunnerEnv>>;

/** Starts a tool-runner with the environment's configuration. */
export function startToolRunner(config: Config, log: Logger): Promise<RunningService> {
  return startWorker<ToolWork>(config, log, {
    name: 'tool-runner',
    confirm: true,
    sources: (view) =>
      [...view.tools.values()].map(({ name, concurrency }) => ({ source: { kind: 'tool', name }, concurrency })),
    bench({ registry, sealer }) {
      const tools = new HttpToolClient({
        connectMs: config.TOOL_CONNECT_MS,
        maxOutputBytes: config.TOOL_MAX_OUTPUT_BYTES,
        connections: config.TOOL_CONNECTIONS,
        attempts: config.TOOL_ATTEMPTS,
        backoffMs: config.TOOL_BACKOFF_MS,
      });
      return {
        async run(work, delivery, signal) {
          const tool = toolOf(registry(), work.tool, sealer);
          // What may not be done twice is not begun before others can know of it.
          if (!(tool instanceof ApiError) && !tool.idempotent) {
            if (delivery.attempt > 1 && (await delivery.mayHaveBegun())) {
              return { kind: 'tool_call', outcome: { error: errorInfo('tool_interrupted') }, calls: [] };
            }
            await delivery.begin();
            crashPoint('after-tool-begin');
          }
          const outcome = await tools.call(work, tool, signal);
          crashPoint('after-tool-call');
          return { kind: 'tool_call', ...outcome };
        },
        close: () => tools.close(),
      };
    },
  });
}

/** Where a tool is, or why it cannot be called. */
function toolOf(view: RegistryView | undefined, name: string, sealer: Sealer): HttpTool | ApiError {
  const tool = view?.tools.get(name);
  if (!tool) return new ApiError('tool_unavailable', { name });
  try {
    const headers = Object.fromEntries(Object.entries(tool.headers).map(([key, value]) => [key, sealer.open(value)]));
    return { url: tool.url, headers, timeoutMs: tool.timeoutMs, idempotent: tool.idempotent };
  } catch (error) {
    if (error instanceof UnsealError) return new ApiError('secret_unreadable', { name }, { cause: error });
    throw error;
  }
}
