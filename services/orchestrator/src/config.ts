import { commonEnv, env, secretEnv } from '@tailrace/service';
import { z } from 'zod';

/** The environment of an orchestrator; the README's table explains each variable. */
export const orchestratorEnv = {
  ...commonEnv,
  ...secretEnv,
  DATABASE_URL: z.string().min(1),
  DATABASE_CONNECTIONS: env.count(16),
  DATABASE_TIMEOUT_MS: env.milliseconds(10_000),
  DATABASE_PREPARE: z.enum(['true', 'false']).default('true'),
  TAILRACE_CONFIG: z.string().optional(),
  CHAIN_CONCURRENCY: env.count(64),
  CHAIN_MAX_PENDING: env.count(4_096),
  ACK_WAIT_MS: env.milliseconds(10_000),
  REDELIVER_MS: env.milliseconds(500),
  SWEEP_EVERY_MS: env.milliseconds(15_000),
  SWEEP_AFTER_MS: env.milliseconds(60_000),
  REGISTRY_CHECK_MS: env.milliseconds(10_000),
};
