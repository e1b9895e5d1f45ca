/** What the admin API shows of the registry: everything but its secrets. */
import type { Stored } from '@tailrace/database';
import {
  ENTRIES,
  HIDDEN,
  keyChange,
  type RegisteredGroup,
  type RegisteredKey,
  type RegisteredModel,
  type RegisteredTool,
  type RegisteredUpstream,
  type RegisteredWebhook,
  type UsageLimits,
} from '@tailrace/registry';
import { z } from 'zod';

/** Who has made an entry. */
const source = z.enum(['file', 'api']);

/** A key. Of its secret nothing is shown. */
export const keyResource = keyChange.omit({ key: true }).extend({
  object: z.literal('key'),
  owner: z.string(),
  /** Until when the secret before the last rotation is honoured; null when it is not. */
  previous_expires_at: z.string().nullable(),
  source,
});
/** A key with its secret, which is shown once. */
export const newKeyResource = keyResource.extend({ key: z.string() });
export const groupResource = ENTRIES.groups.extend({ object: z.literal('group'), source });
export const modelResource = ENTRIES.models.extend({ object: z.literal('model'), source });
const toolFields = { object: z.literal('tool'), source };
const [httpTool, agentTool, mcpTool] = ENTRIES.tools.options;
export const toolResource = z.discriminatedUnion('kind', [
  httpTool.extend(toolFields),
  agentTool.extend(toolFields),
  mcpTool.extend(toolFields),
]);
export const webhookResource = ENTRIES.webhooks.extend({
  object: z.literal('webhook'),
  events: z.array(z.string()),
  source,
});

export type KeyResource = z.output<typeof keyResource>;
export type GroupResource = z.output<typeof groupResource>;
export type ModelResource = z.output<typeof modelResource>;
export type ToolResource = z.output<typeof toolResource>;
export type WebhookResource = z.output<typeof webhookResource>;

/** What may stand in an entry that is sent, because it was shown, and says nothing. */
export const SHOWN_ONLY: readonly string[] = ['object', 'source', 'previous_expires_at'];

/** @param now milliseconds since the epoch. */
export function toKeyResource({ entry, fromFile }: Stored<RegisteredKey>, now: number): KeyResource {
  const { name, owner, groups, expiresAt, previous, limits } = entry;
  const honoured = previous !== null && previous.expiresAt > now;
  return {
    object: 'key',
    name,
    owner,
    groups,
    expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    limits: toLimits(limits),
    previous_expires_at: honoured ? new Date(previous.expiresAt).toISOString() : null,
    source: sourceOf(fromFile),
  };
}

export function toGroupResource({ entry, fromFile }: Stored<RegisteredGroup>): GroupResource {
  return { object: 'group', name: entry.name, limits: toLimits(entry.limits), source: sourceOf(fromFile) };
}

export function toModelResource({ entry, fromFile }: Stored<RegisteredModel>): ModelResource {
  return {
    object: 'model',
    name: entry.name,
    groups: entry.groups,
    concurrency: entry.concurrency,
    context_window: entry.contextWindow,
    failover_statuses: entry.failoverStatuses,
    upstreams: entry.upstreams.map(toUpstream),
    source: sourceOf(fromFile),
  };
}

function toUpstream(upstream: RegisteredUpstream): ModelResource['upstreams'][number] {
  const { timeouts, price } = upstream;
  return {
    base_url: upstream.baseUrl,
    api_key: upstream.apiKey === null ? null : HIDDEN,
    model: upstream.model,
    dialect: upstream.dialect,
    priority: upstream.priority,
    weight: upstream.weight,
    concurrency: upstream.concurrency,
    timeouts: {
      connect_ms: timeouts.connectMs,
      first_token_ms: timeouts.firstTokenMs,
      idle_ms: timeouts.idleMs,
      total_ms: timeouts.totalMs,
    },
    price: price && { input: price.input, cached_input: price.cachedInput, output: price.output },
  };
}

export function toToolResource({ entry: tool, fromFile }: Stored<RegisteredTool>): ToolResource {
  const base = {
    object: 'tool' as const,
    name: tool.name,
    groups: tool.groups,
    models: tool.models,
    description: tool.description,
    timeout_ms: tool.timeoutMs,
    concurrency: tool.concurrency,
    calls_per_minute: tool.callsPerMinute,
    client_override: tool.clientOverride,
    source: sourceOf(fromFile),
  };
  switch (tool.kind) {
    case 'http':
      return {
        ...base,
        kind: 'http',
        parameters: tool.parameters,
        method: tool.method,
        url: tool.url,
        arguments_in: tool.argumentsIn,
        headers: hidden(tool.headers),
        idempotent: tool.idempotent,
      };
    case 'agent':
      return {
        ...base,
        kind: 'agent',
        parameters: tool.parameters,
        model: tool.model,
        instructions: tool.instructions,
        tools: tool.tools,
        max_iterations: tool.maxIterations,
        max_tool_calls: tool.maxToolCalls,
      };
    case 'mcp': {
      const { requireApproval: policy } = tool;
      return {
        ...base,
        kind: 'mcp',
        url: tool.url,
        headers: hidden(tool.headers),
        allowed_tools: tool.allowedTools,
        require_approval:
          typeof policy === 'string'
            ? policy
            : { always: { tool_names: policy.always }, never: { tool_names: policy.never } },
        idempotent: tool.idempotent,
      };
    }
  }
}

export function toWebhookResource({ entry, fromFile }: Stored<RegisteredWebhook>): WebhookResource {
  const { name, url, events, owners } = entry;
  return { object: 'webhook', name, url, secret: HIDDEN, events, owners, source: sourceOf(fromFile) };
}

function toLimits(limits: UsageLimits): KeyResource['limits'] {
  return {
    requests_per_minute: limits.requestsPerMinute,
    tokens_per_minute: limits.tokensPerMinute,
    concurrency: limits.concurrency,
  };
}

function hidden(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.keys(headers).map((name) => [name, HIDDEN]));
}

function sourceOf(fromFile: boolean): z.output<typeof source> {
  return fromFile ? 'file' : 'api';
}
