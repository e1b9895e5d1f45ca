import { env } from '@tailrace/service';
import { workerEnv } from '@tailrace/worker';

/** The environment of a model-caller; the README's table explains each variable. */
export const modelCallerEnv = {
  ...workerEnv,
  UPSTREAM_ATTEMPTS: env.count(3),
  UPSTREAM_BACKOFF_MS: env.milliseconds(250),
  UPSTREAM_MAX_BACKOFF_MS: env.milliseconds(20_000),
  UPSTREAM_CONNECT_MS: env.milliseconds(10_000),
  UPSTREAM_FIRST_TOKEN_MS: env.milliseconds(120_000),
  UPSTREAM_IDLE_MS: env.milliseconds(60_000),
  UPSTREAM_TOTAL_MS: env.milliseconds(3_600_000),
  UPSTREAM_MAX_BYTES: env.count(64 * 1024 * 1024),
  UPSTREAM_CONNECTIONS: env.count(512),
  UPSTREAM_QUEUE_MS: env.milliseconds(60_000),
  UPSTREAM_UNWELL_AFTER: env.count(3),
  UPSTREAM_REST_MS: env.milliseconds(10_000),
  UPSTREAM_MAX_REST_MS: env.milliseconds(300_000),
  RELAY_ALIVE_MS: env.milliseconds(2_000),
  RELAY_SILENCE_MS: env.milliseconds(10_000),
  LOG_BUFFER_CHARS: env.count(1024 * 1024),
  LOG_MESSAGE_CHARS: env.count(64 * 1024),
};
