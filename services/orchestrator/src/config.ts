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
  REDELIVER_MAX_MS: env.milliseconds(5_000),
  SWEEP_EVERY_MS: env.milliseconds(15_000),
  SWEEP_AFTER_MS: env.milliseconds(60_000),
  LOST_LOG_CHECK_MS: env.milliseconds(5_000),
  RESPONSE_DEADLINE: env.duration('24h'),
  RESPONSE_RETENTION: env.duration('30d'),
  UNSTORED_RETENTION: env.duration('5m'),
  TIDY_EVERY_MS: env.milliseconds(15_000),
  REGISTRY_CHECK_MS: env.milliseconds(10_000),
  WEBHOOK_EVERY_MS: env.milliseconds(1_000),
  WEBHOOK_TIMEOUT_MS: env.milliseconds(10_000),
  WEBHOOK_CONCURRENCY: env.count(8),
  WEBHOOK_RETRY_FIRST: env.duration('5s'),
  WEBHOOK_RETRY_MAX: env.duration('6h'),
  WEBHOOK_RETRY_FOR: env.duration('72h'),
};
