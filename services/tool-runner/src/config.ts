import { env } from '@tailrace/service';
import { workerEnv } from '@tailrace/worker';

/** The environment of a tool-runner; the README's table explains each variable. */
export const toolRunnerEnv = {
  ...workerEnv,
  TOOL_CONNECT_MS: env.milliseconds(10_000),
  TOOL_MAX_OUTPUT_BYTES: env.count(32 * 1024 * 1024),
  TOOL_CONNECTIONS: env.count(256),
  TOOL_ATTEMPTS: env.count(3),
  TOOL_BACKOFF_MS: env.milliseconds(250),
};
