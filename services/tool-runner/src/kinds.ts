/** The kinds of tools that are run here. An agent is none of them: it is a loop of its own, which the orchestrator runs. */
import { GuardedFetch } from '@tailrace/guarded-fetch';
import type { Sealer } from '@tailrace/registry';
import type { readEnv } from '@tailrace/service';
import type { toolRunnerEnv } from './config.ts';
import { httpKind } from './http/http-kind.ts';
import { mcpKind } from './mcp/mcp-kind.ts';
import type { ToolKind } from './tool-kind.ts';

/** All kinds; the first one that a step is of makes its calls. */
export function toolKinds(config: ReturnType<typeof readEnv<typeof toolRunnerEnv>>, sealer: Sealer): ToolKind[] {
  const bounds = {
    connectMs: config.TOOL_CONNECT_MS,
    maxHeaderBytes: config.TOOL_MAX_HEADER_BYTES,
    connections: config.TOOL_CONNECTIONS,
  };
  const guarded = new GuardedFetch({
    allow: config.FETCH_ALLOW,
    connectMs: config.FETCH_CONNECT_MS,
    totalMs: config.MCP_TIMEOUT_MS,
    maxBytes: config.TOOL_MAX_OUTPUT_BYTES,
    maxRedirects: 0,
  });
  return [
    httpKind({ ...bounds, maxOutputBytes: config.TOOL_MAX_OUTPUT_BYTES }, sealer),
    mcpKind(
      {
        ...bounds,
        timeoutMs: config.MCP_TIMEOUT_MS,
        sessions: {
          sessions: config.MCP_SESSIONS,
          idleMs: config.MCP_SESSION_IDLE_MS,
          connectMs: config.MCP_TIMEOUT_MS,
          maxBytes: config.TOOL_MAX_OUTPUT_BYTES,
        },
        listings: {
          ttlMs: config.MCP_LIST_TTL_MS,
          maxTools: config.MCP_LIST_MAX_TOOLS,
          maxBytes: config.MCP_LIST_MAX_BYTES,
          // Whatever is not kept is listed again.
          cacheBytes: 16 * config.MCP_LIST_MAX_BYTES,
        },
      },
      sealer,
      guarded,
    ),
  ];
}
