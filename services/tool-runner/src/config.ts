import { commonEnv, env, secretEnv } from '@tailrace/service';

/** The environment of a tool-runner; the README's table explains each variable. */
export const toolRunnerEnv = {
  ...commonEnv,
  ...secretEnv,
  WORKER_CONCURRENCY: env.count(256),
  ACK_WAIT_MS: env.milliseconds(10_000),
  MAX_DELIVER: env.count(10),
  REDELIVER_MS: env.milliseconds(500),
  STARTED_AFTER_MS: env.milliseconds(500),
  TOOL_CONNECT_MS: env.milliseconds(10_000),
  TOOL_MAX_OUTPUT_BYTES: env.count(32 * 1024 * 1024),
  TOOL_CONNECTIONS: env.count(256),
};
