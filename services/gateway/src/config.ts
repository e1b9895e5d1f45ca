import { commonEnv, env } from '@tailrace/service';
import { z } from 'zod';

/** The environment of a gateway; the README's table explains each variable. */
export const gatewayEnv = {
  ...commonEnv,
  DATABASE_URL: z.string().min(1),
  DATABASE_CONNECTIONS: env.count(16),
  DATABASE_TIMEOUT_MS: env.milliseconds(10_000),
  DATABASE_PREPARE: z.enum(['true', 'false']).default('true'),
  BODY_LIMIT_BYTES: env.count(32 * 1024 * 1024),
  ACCEPT_TIMEOUT_MS: env.milliseconds(10_000),
  KEEP_ALIVE_MS: env.milliseconds(15_000),
  TAIL_QUEUE_BYTES: env.count(256 * 1024),
  MAX_OPEN_REQUESTS: env.count(10_000),
  MAX_ITERATIONS: env.count(10),
};
