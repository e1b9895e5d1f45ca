import { commonEnv, env, secretEnv } from '@tailrace/service';

/** The environment that every worker reads; the README's table explains each variable. */
export const workerEnv = {
  ...commonEnv,
  ...secretEnv,
  WORKER_CONCURRENCY: env.count(256),
  ACK_WAIT_MS: env.milliseconds(10_000),
  MAX_DELIVER: env.count(10),
  REDELIVER_MS: env.milliseconds(500),
  REDELIVER_MAX_MS: env.milliseconds(5_000),
  STARTED_AFTER_MS: env.milliseconds(500),
  HEARTBEAT_MS: env.milliseconds(15_000),
};
