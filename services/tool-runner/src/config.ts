import { env } from '@tailrace/service';
import { workerEnv } from '@tailrace/worker';

/** The environment of a tool-runner; the README's table explains each variable. */
export const toolRunnerEnv = {
  ...workerEnv,
  TOOL_CONNECT_MS: env.milliseconds(10_000),
  TOOL_MAX_OUTPUT_BYTES: env.count(32 * 1024 * 1024),
  TOOL_MAX_HEADER_BYTES: env.count(16 * 1024),
  TOOL_CONNECTIONS: env.count(256),
  TOOL_ATTEMPTS: env.count(3),
  TOOL_BACKOFF_MS: env.milliseconds(250),
  TOOL_CIRCUIT_FAILURES: env.count(10),
  TOOL_CIRCUIT_MS: env.milliseconds(10_000),
  TOOL_ERROR_CHARS: env.count(8_000),
  TOOL_SCHEMA_MS: env.milliseconds(1_000),
  TOOL_SCHEMA_CHARS: env.count(256 * 1024),
  MCP_CONCURRENCY: env.count(64),
  MCP_TIMEOUT_MS: env.milliseconds(60_000),
  MCP_SESSIONS: env.count(256),
  MCP_SESSION_IDLE_MS: env.milliseconds(5 * 60_000),
  MCP_LIST_TTL_MS: env.milliseconds(5 * 60_000),
  MCP_LIST_MAX_TOOLS: env.count(512),
  MCP_LIST_MAX_BYTES: env.count(1024 * 1024),
  FETCH_ALLOW: env.list(),
  FETCH_CONNECT_MS: env.milliseconds(5_000),
};
