/** A tool-runner: it takes tool steps, one queue for each registered tool, and one for the servers that requests name. */
import { REQUESTED_MCP, type ToolWork } from '@tailrace/bus';
import type { RegistryView } from '@tailrace/registry';
import type { Logger, RunningService, readEnv } from '@tailrace/service';
import { ToolArguments } from '@tailrace/tool-arguments';
import { type LimitedSource, startWorker } from '@tailrace/worker';
import { Circuits } from './circuits.ts';
import type { toolRunnerEnv } from './config.ts';
import { toolKinds } from './kinds.ts';
import { RateCleaner } from './rate-cleaner.ts';
import { RateLimits } from './rate-limit.ts';
import { RateStreams } from './rate-streams.ts';
import { ToolCaller } from './tool-caller.ts';

type Config = ReturnType<typeof readEnv<typeof toolRunnerEnv>>;

/** Starts a tool-runner with the environment's configuration. */
export function startToolRunner(config: Config, log: Logger): Promise<RunningService> {
  return startWorker<ToolWork>(config, log, {
    name: 'tool-runner',
    kinds: ['tool', 'mcp'],
    sources: (view) => [...registeredSources(view), { source: REQUESTED_MCP, concurrency: config.MCP_CONCURRENCY }],
    bench({ bus, registry, sealer }) {
      const streams = new RateStreams(bus);
      const cleaner = new RateCleaner({
        streams,
        registry,
        onError: (error) => log.warn({ err: error }, 'the streams of rates that nobody has were not removed'),
      });
      const tools = new ToolCaller({
        kinds: toolKinds(config, sealer),
        registered: (name) => registry()?.tools.get(name),
        checks: new ToolArguments({ ms: config.TOOL_SCHEMA_MS, schemaChars: config.TOOL_SCHEMA_CHARS }),
        circuits: new Circuits({ failures: config.TOOL_CIRCUIT_FAILURES, openMs: config.TOOL_CIRCUIT_MS }),
        rates: new RateLimits(streams),
        attempts: config.TOOL_ATTEMPTS,
        backoffMs: config.TOOL_BACKOFF_MS,
        circuitFailures: config.TOOL_CIRCUIT_FAILURES,
        errorChars: config.TOOL_ERROR_CHARS,
        onUnexpected: (error, { responseId, stepId, correlationId, tool }) =>
          log.error(
            { err: error, response_id: responseId, step_id: stepId, correlation_id: correlationId, tool },
            'a call failed before it was made, as nobody had foreseen',
          ),
      });
      return {
        run: async (work, delivery, signal) => ({ kind: 'tool_call', ...(await tools.run(work, delivery, signal)) }),
        async close() {
          await cleaner.close();
          await tools.close();
        },
      };
    },
  });
}

function registeredSources(view: RegistryView): LimitedSource[] {
  return [...view.tools.values()]
    .filter(({ kind }) => kind !== 'agent')
    .map(({ name, concurrency }) => ({ source: { kind: 'tool', name }, concurrency }));
}
