import { env } from '@tailrace/service';
import { workerEnv } from '@tailrace/worker';

/** The environment of a model-caller; the README's table explains each variable. */
export const modelCallerEnv = {
  ...workerEnv,
  UPSTREAM_ATTEMPTS: env.count(3),
  UPSTREAM_BACKOFF_MS: env.milliseconds(250),
  UPSTREAM_MAX_BACKOFF_MS: env.milliseconds(20_000),
  UPSTREAM_CONNECT_MS: env.milliseconds(10_000),
  UPSTREAM_FIRST_BYTE_MS: env.milliseconds(120_000),
  UPSTREAM_IDLE_MS: env.milliseconds(60_000),
  UPSTREAM_TOTAL_MS: env.milliseconds(3_600_000),
  UPSTREAM_MAX_BYTES: env.count(64 * 1024 * 1024),
  UPSTREAM_CONNECTIONS: env.count(512),
  LOG_BUFFER_CHARS: env.count(1024 * 1024),
  LOG_MESSAGE_CHARS: env.count(64 * 1024),
};
