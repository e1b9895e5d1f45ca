/** Complete entries of a registry, for tests that care about a field or two. */
import {
  hashKey,
  type RegisteredAgentTool,
  type RegisteredHttpTool,
  type RegisteredKey,
  type RegisteredMcpTool,
  type RegisteredModel,
  type RegisteredUpstream,
  type RegistrySnapshot,
  type UsageLimits,
} from './snapshot.ts';

/** No limit of any kind. */
export const UNLIMITED: UsageLimits = { requestsPerMinute: null, tokensPerMinute: null, concurrency: null };

/** The key whose secret is `secret`, of an owner of the same name, in the group `everyone`. */
export function registeredKey(name: string, secret: string, change: Partial<RegisteredKey> = {}): RegisteredKey {
  return {
    name,
    hash: hashKey(secret),
    previous: null,
    owner: name,
    groups: ['everyone'],
    expiresAt: null,
    limits: UNLIMITED,
    ...change,
  };
}

/** An upstream that speaks chat completions. */
export function registeredUpstream(baseUrl: string, change: Partial<RegisteredUpstream> = {}): RegisteredUpstream {
  return {
    baseUrl,
    apiKey: null,
    model: 'upstream-model',
    dialect: 'chat',
    priority: 0,
    weight: 1,
    timeouts: { connectMs: null, firstTokenMs: null, idleMs: null, totalMs: null },
    concurrency: null,
    price: null,
    ...change,
  };
}

/** A model for everyone, without upstreams. */
export function registeredModel(name: string, change: Partial<RegisteredModel> = {}): RegisteredModel {
  return {
    name,
    groups: ['everyone'],
    concurrency: 1,
    contextWindow: null,
    failoverStatuses: [],
    upstreams: [],
    ...change,
  };
}

const base = (name: string) => ({
  name,
  groups: ['everyone'],
  models: null,
  description: null,
  timeoutMs: 1_000,
  concurrency: 1,
  callsPerMinute: null,
  clientOverride: false,
});

/** A tool for everyone that is posted to. */
export function registeredHttpTool(name: string, change: Partial<RegisteredHttpTool> = {}): RegisteredHttpTool {
  return {
    ...base(name),
    kind: 'http',
    parameters: null,
    method: 'POST',
    url: 'http://127.0.0.1/',
    argumentsIn: 'body',
    headers: {},
    idempotent: false,
    ...change,
  };
}

/** An agent for everyone, without tools. */
export function registeredAgentTool(
  name: string,
  model: string,
  change: Partial<RegisteredAgentTool> = {},
): RegisteredAgentTool {
  return {
    ...base(name),
    kind: 'agent',
    parameters: null,
    model,
    instructions: null,
    tools: [],
    maxIterations: null,
    maxToolCalls: null,
    ...change,
  };
}

/** An MCP server for everyone, which nobody has to approve. */
export function registeredMcpTool(
  name: string,
  url: string,
  change: Partial<RegisteredMcpTool> = {},
): RegisteredMcpTool {
  return {
    ...base(name),
    kind: 'mcp',
    url,
    headers: {},
    allowedTools: null,
    requireApproval: 'never',
    idempotent: false,
    ...change,
  };
}

/** A registry that holds nothing but what is given. */
export function registrySnapshot(change: Partial<RegistrySnapshot> = {}): RegistrySnapshot {
  return { keys: [], groups: [], models: [], tools: [], ...change };
}
