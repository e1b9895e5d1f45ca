import { commonEnv, env, secretEnv } from '@tailrace/service';
import { z } from 'zod';

/** The environment of a gateway; the README's table explains each variable. */
export const gatewayEnv = {
  ...commonEnv,
  ...secretEnv,
  DATABASE_URL: z.string().min(1),
  DATABASE_CONNECTIONS: env.count(16),
  DATABASE_TIMEOUT_MS: env.milliseconds(10_000),
  DATABASE_PREPARE: z.enum(['true', 'false']).default('true'),
  BODY_LIMIT_BYTES: env.count(32 * 1024 * 1024),
  ACCEPT_TIMEOUT_MS: env.milliseconds(10_000),
  KEEP_ALIVE_MS: env.milliseconds(15_000),
  TAIL_QUEUE_BYTES: env.count(128 * 1024),
  MAX_OPEN_REQUESTS: env.count(10_000),
  DISCONNECT_CANCEL: z.enum(['never', 'unstored', 'always']).default('unstored'),
  DISCONNECT_GRACE_MS: env.milliseconds(30_000),
  WS_MAX_MS: env.milliseconds(60 * 60_000),
  WS_MEMORY_BYTES: env.count(4 * 1024 * 1024),
  KEY_REQUESTS_PER_MINUTE: z.coerce.number().int().min(0).default(0),
  RELAY_WINDOW_BYTES: env.count(256 * 1024),
  RELAY_QUEUE_MS: env.milliseconds(60_000),
  RELAY_ALIVE_MS: env.milliseconds(2_000),
  RELAY_SILENCE_MS: env.milliseconds(10_000),
  RELAY_ATTEMPTS: env.count(3),
  MAX_ITERATIONS: env.count(10),
  MAX_DEPTH: env.count(8),
  FETCH_ALLOW: env.list(),
  FETCH_CONNECT_MS: env.milliseconds(5_000),
  FETCH_TOTAL_MS: env.milliseconds(20_000),
  FETCH_MAX_BYTES: env.count(32 * 1024 * 1024),
};
